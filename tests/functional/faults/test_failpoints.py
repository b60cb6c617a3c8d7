"""A process that ends right before and right after its COMMIT, and a writer that raises or dies."""

import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.functional.faults.conftest import database_of, example_of, make_key
from tests.functional.faults.ledger import count
from tests.support.site import Site, free_port, wait_for

pytestmark = [pytest.mark.site, pytest.mark.fault]


@contextmanager
def failing_server(site: Site, failpoint: Path) -> Iterator[str]:
    """A second web server of the same site that fails where the file says; yields its address."""
    port = free_port()
    beside = Site(site.state, {**site.environment, "CLFSITE_TEST_FAILPOINT": str(failpoint)}, port)
    options = ("--interface", "rsgi", "--no-ws", "--port", str(port))
    process = beside.start(
        "-m", "granian", *options, "--log-level", "warning", "tests.functional.faults.failing:application"
    )
    try:
        wait_for(lambda: beside.answers(process), "the failing server to start", 60)
        yield beside.url
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.promise(1, 2)
@pytest.mark.parametrize("point", ["after-write", "before-commit", "after-commit"])
@pytest.mark.case("F04", "F05")
def test_a_call_whose_process_ended_around_its_commit_is_made_once_when_it_is_repeated(
    site: Site, tmp_path: Path, point: str
) -> None:
    key, failpoint = make_key(site, point, "predict"), tmp_path / "failpoint"
    body = {"features": example_of(site)}
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Authorization": f"Bearer {key}"}
    with (
        failing_server(site, failpoint) as url,
        httpx.Client(headers=headers, timeout=30, trust_env=False) as caller,
    ):
        failpoint.write_text(point)
        with pytest.raises(httpx.TransportError):
            caller.post(f"{url}/predict", json=body)
        assert not failpoint.exists()
        answers = [caller.post(f"{site.url}/predict", json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    assert answers[0].json() == answers[1].json()
    assert count(database_of(site), point) == 1


@pytest.mark.promise(1)
@pytest.mark.case("F06")
def test_a_writer_that_raises_or_dies_shows_and_writes_again(site: Site, tmp_path: Path) -> None:
    key, failpoint = make_key(site, "writer", "predict"), tmp_path / "failpoint"
    body, headers = {"features": example_of(site)}, {"Authorization": f"Bearer {key}"}
    with (
        failing_server(site, failpoint) as url,
        httpx.Client(headers=headers, timeout=30, trust_env=False) as caller,
    ):
        for point, words in (("raise", "could not be written"), ("end-thread", "was restarted")):
            assert caller.post(f"{url}/predict", json=body).is_success
            failpoint.write_text(point)
            began = time.monotonic()
            refused = caller.post(f"{url}/predict", json=body)
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
            assert time.monotonic() - began < 6.5
            health = caller.get(f"{url}/health/ready")
            assert health.status_code == httpx.codes.SERVICE_UNAVAILABLE
            assert words in health.json()["checks"]["log"]
            assert caller.post(f"{url}/predict", json=body).is_success
            assert caller.get(f"{url}/health/ready").is_success
    assert count(database_of(site), "writer") == 4
