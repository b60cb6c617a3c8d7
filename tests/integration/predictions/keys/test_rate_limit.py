"""How often a key may call: its own rate, the site's, and what happens past it."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.exceptions import Throttled

from clfsite.core.errors import InvalidInput
from clfsite.core.shared_memory import FOLDER
from predictions.keys import rate_limit
from predictions.keys import service as keys
from predictions.models import ApiKey
from tests.integration.conftest import Post, problem_of
from tests.support.factories import ApiKeyFactory
from tests.support.site import ROOT
from tests.support.threads import at_once
from training.models import Version


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rate_limit, "monotonic", clock)
    return clock


def taken(calls: int, rate: float, key: int = 1) -> int:
    """How many of so many calls are let through."""
    let = 0
    for _ in range(calls):
        try:
            rate_limit.take(key, rate)
        except Throttled:
            continue
        let += 1
    return let


def test_a_minutes_calls_may_come_at_once_and_then_one_at_a_time(clock: Clock) -> None:
    assert taken(10, rate=6) == 6
    clock.now += 10
    assert taken(10, rate=6) == 1
    clock.now += 25
    assert taken(10, rate=6) == 2
    clock.now += 3_600
    assert taken(10, rate=6) == 6


def test_a_refusal_says_in_whole_seconds_when_to_come_again(clock: Clock) -> None:
    taken(6, rate=6)
    clock.now += 2.5
    with pytest.raises(Throttled) as caught:
        rate_limit.take(1, 6)
    assert caught.value.wait == 8  # type: ignore[attr-defined]
    clock.now += 8
    assert taken(2, rate=6) == 1


def test_each_key_has_a_bucket_of_its_own(clock: Clock) -> None:
    assert taken(5, rate=2, key=1) == 2
    assert taken(5, rate=3, key=2) == 3


def test_a_rate_below_one_still_lets_one_through(clock: Clock) -> None:
    assert taken(5, rate=0.25) == 1
    clock.now += 240
    assert taken(5, rate=0.25) == 1


def test_a_rate_that_is_lowered_holds_at_once(clock: Clock) -> None:
    assert taken(1, rate=100) == 1
    assert taken(50, rate=5) == 5


def test_buckets_do_not_pile_up(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MOST_BUCKETS", 3)
    for key in range(10):
        rate_limit.take(key, 1)
    assert len(rate_limit._buckets) <= 3


def test_eight_threads_get_no_more_calls_than_one(clock: Clock) -> None:
    assert sum(at_once([partial(taken, 500, rate=1_000)] * 8)) == 1_000


TAKE = """
import django
django.setup()
from rest_framework.exceptions import Throttled
from predictions.keys import rate_limit
rate_limit.monotonic = lambda: 1_000.0
taken = 0
for _ in range(60):
    try:
        rate_limit.take(1, 70)
        taken += 1
    except Throttled:
        pass
print(taken)
"""


def test_the_web_processes_of_a_machine_share_a_rate(tmp_path: Path) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "clfsite.settings", FOLDER: str(tmp_path)}
    command = [sys.executable, "-c", TAKE]
    processes = [
        subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert sum(int(process.communicate()[0]) for process in processes) == 70


def test_eight_threads_get_no_more_calls_than_one_where_memory_is_shared(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    assert sum(at_once([partial(taken, 500, rate=1_000)] * 8)) == 1_000


def test_without_room_in_the_shared_memory_a_process_counts_for_itself(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path / "gone"))
    assert taken(5, rate=2) == 2


def test_several_machines_share_a_rate(settings: Any) -> None:
    settings.CLFSITE_WEB_SERVERS = 4
    settings.CLFSITE_KEY_RATE = 600
    assert rate_limit.rate_of(None) == 150
    assert rate_limit.rate_of(60) == 15
    assert rate_limit.rate_of(0) == 0


@pytest.mark.django_db
def test_a_key_past_its_rate_is_refused_before_its_body_is_read(
    post: Post, version: Version, example: dict[str, Any], clock: Clock
) -> None:
    ApiKeyFactory.create(secret="clf_slow", rate=2)
    slow, other = partial(post, key="clf_slow"), post
    assert [slow("/predict", {"features": example}).status_code for _ in range(2)] == [200, 200]
    response = slow("/predict", b"this is not JSON")
    body = problem_of(response, 429)
    assert response["Retry-After"] == "30"
    assert "try again in 30 s" in body["detail"]
    assert other("/predict", {"features": example}).status_code == 200
    clock.now += 30
    assert slow("/predict", {"features": example}).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "member"),
    [
        ("get", "/info", "detail"),
        ("get", "/api/versions", "detail"),
        ("get", "/v2", "error"),
        ("post", "/invocations", "message"),
    ],
)
@pytest.mark.case("U32")
def test_every_call_with_a_key_counts_and_is_refused_in_its_own_shape(
    method: str, path: str, member: str, version: Version
) -> None:
    ApiKeyFactory.create(secret="clf_slow", rate=1, scopes=("read", "predict"))
    client = Client(headers={"authorization": "Bearer clf_slow"})
    assert client.get("/info").status_code == 200
    response = getattr(client, method)(path)
    assert response.status_code == 429
    assert "try again in" in response.json()[member]
    assert 1 <= int(response["Retry-After"]) <= 60


@pytest.mark.django_db
def test_a_batch_of_rows_is_one_call(post: Post, version: Version, example: dict[str, Any]) -> None:
    ApiKeyFactory.create(secret="clf_slow", rate=1)
    assert post("/predict-batch", {"records": [example] * 50}, key="clf_slow").status_code == 200
    problem_of(post("/predict-batch", {"records": [example]}, key="clf_slow"), 429)


@pytest.mark.django_db
def test_the_sites_rate_holds_for_keys_without_one_of_their_own(
    post: Post, version: Version, settings: Any
) -> None:
    settings.CLFSITE_KEY_RATE = 1
    ApiKeyFactory.create(secret="clf_free", rate=0)
    ApiKeyFactory.create(secret="clf_plain")

    def get(key: str) -> list[int]:
        headers = {"authorization": f"Bearer {key}"}
        return [Client(headers=headers).get("/info").status_code for _ in range(3)]

    assert get("clf_plain") == [200, 429, 429]
    assert get("clf_free") == [200, 200, 200]


@pytest.mark.django_db
def test_refused_calls_are_counted_in_the_metrics(client: Client, version: Version, settings: Any) -> None:
    settings.CLFSITE_METRICS_OPEN = True

    def count() -> float:
        lines = client.get("/metrics").content.decode().splitlines()
        result = [line for line in lines if line.startswith('clfsite_refusals_total{status="429"}')]
        return float(result[0].split()[1]) if result else 0.0

    before = count()
    ApiKeyFactory.create(secret="clf_slow", rate=1)
    for _ in range(3):
        client.get("/info", headers={"authorization": "Bearer clf_slow"})
    assert count() == before + 2


@pytest.mark.django_db
def test_createkey_sets_rate_and_expiry(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("createkey", "phone", "--scope", "predict", "--rate", "30", "--expires", "7")
    key = ApiKey.objects.get()
    assert key.rate == 30
    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).days in {6, 7}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "arguments",
    [
        ["--rate", "-1"],
        ["--rate", "1000001"],
        ["--expires", "0"],
        ["--expires", "-3"],
        ["--expires", "9" * 12],
    ],
)
def test_a_rate_or_an_expiry_that_makes_no_sense_is_refused(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"expected|lives for"):
        call_command("createkey", "phone", "--scope", "predict", *arguments)
    assert not ApiKey.objects.exists()


@pytest.mark.django_db
def test_the_service_refuses_a_rate_below_zero() -> None:
    with pytest.raises(InvalidInput, match="expected 0 to"):
        keys.create(name="phone", scopes=["predict"], rate=-5)
