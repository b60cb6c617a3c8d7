"""`manage.py serve --takeover` replaces a server under load, and refuses or gives up where it cannot."""

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clfsite.core import shared_memory
from clfsite.takeover import running
from tests.functional.faults.conftest import example_of
from tests.functional.faults.ledger import Ledger
from tests.functional.faults.load import Load, kept_ledger
from tests.support import servers, services
from tests.support.site import KEY, ROOT, Site, demo_site, wait_for

pytestmark = pytest.mark.site

CALLS = 10_000


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with demo_site(tmp_path) as site:
        yield site


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with kept_ledger(tmp_path / "ledger.jsonl") as kept:
        yield kept


def start(site: Site, *options: str) -> subprocess.Popen[bytes]:
    """Start another server on the site's port."""
    return site.start(str(ROOT / "manage.py"), "serve", "--port", str(site.port), *options)


def refusal(site: Site, *options: str) -> str:
    """What a server says that ends at once."""
    server = start(site, *options)
    assert server.wait(60) == 1
    return site.logs().rpartition("CommandError: ")[2]


@contextmanager
def new_connections(site: Site, outcomes: Counter[str], callers: int = 4) -> Iterator[None]:
    """Callers that open a connection for each call; counts outcomes: a status or an exception."""
    stop, features = threading.Event(), example_of(site)
    body, headers = json.dumps({"features": features}), {"Authorization": f"Bearer {KEY}"}

    def run() -> None:
        while not stop.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=15)
            try:
                connection.request(
                    "POST",
                    "/predict",
                    body,
                    {**headers, "Content-Type": "application/json", "Connection": "close"},
                )
                response = connection.getresponse()
                response.read()
                outcomes[str(response.status)] += 1
            except (OSError, http.client.HTTPException) as error:
                outcomes[repr(error)] += 1
            finally:
                connection.close()

    threads = [threading.Thread(target=run, daemon=True) for _ in range(callers)]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join(30)


def take_over(site: Site, *options: str) -> subprocess.Popen[bytes]:
    """Replace the newest server of the site; wait until the old one has ended, and return the new one."""
    old = site.processes[-1]
    new = start(site, "--takeover", *options)

    def is_over() -> bool:
        assert new.poll() is None, site.logs()
        return old.poll() is not None

    wait_for(is_over, "the old server to end")
    assert old.returncode == 0
    wait_for(lambda: f"took over from process {old.pid}" in site.logs(), "the new server to say so", 10)
    return new


def test_no_call_fails_while_a_server_is_taken_over(site: Site, ledger: Ledger) -> None:
    site.serve("--no-worker")
    with Load(site.port, example_of(site), ledger, callers=3) as load:
        load.wait_for_answers(50)
        take_over(site, "--no-worker", "--web", "1")
        load.wait_for_answers(100)
    assert load.refused() == []
    # the new server is one that can be taken over, too
    found = running.find(site.port)
    assert found
    assert found.pid == site.processes[-1].pid


def test_a_second_server_is_refused_and_leaves_the_first_its_metrics(site: Site) -> None:
    site.serve("--no-worker")
    first = running.find(site.port)
    assert first
    files = sorted(first.folder.iterdir())
    text = refusal(site, "--no-worker")
    assert f"It is used by process {first.pid}" in text
    assert "--takeover replaces it without a failed call" in text
    assert sorted(first.folder.iterdir()) == files


@pytest.mark.parametrize(
    ("options", "environment", "reason"),
    [
        (("--host", "127.0.0.2"), {}, "use --host 127.0.0.1"),
        (("--web", "1"), {}, "has 2 web processes, whose sockets 1 cannot take over"),
        ((), {"CLFSITE_STATE_DIR": "another"}, "belongs to another site"),
    ],
    ids=["host", "processes", "site"],
)
def test_a_takeover_that_would_lose_calls_is_refused(
    tmp_path: Path, options: tuple[str, ...], environment: dict[str, str], reason: str
) -> None:
    # no process of a site is needed: a record and doors are what the command looks at
    folder = running_folder(doors=2)
    site = Site(tmp_path, {name: str(tmp_path / value) for name, value in environment.items()})
    running.note(folder, "127.0.0.1", 1, tmp_path, ROOT)
    site.port = 1
    try:
        assert reason in refusal(site, "--takeover", *options)
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def running_folder(doors: int) -> Path:
    """A server's folder of this process, with the doors of two processes that live."""
    folder = shared_memory.make_folder()
    for pid in (os.getpid(), os.getppid())[:doors]:
        (folder / f"door-{pid}").touch()
    return folder


def test_a_takeover_whose_processes_do_not_start_leaves_the_port_to_the_old_server(site: Site) -> None:
    site.serve("--no-worker")
    old = site.processes[-1]
    # granian ends with an error, as a release with a broken package would
    broken = site.state / "broken"
    (broken / "granian").mkdir(parents=True)
    (broken / "granian" / "__init__.py").write_text("raise ImportError('broken')")
    site.environment["PYTHONPATH"] = str(broken)
    new = start(site, "--takeover", "--no-worker", "--web", "1")
    assert new.wait(60) == 1
    assert f"web process 1 did not start; the port stays with process {old.pid}" in site.logs()
    assert site.answers(old)


def test_the_service_manager_is_told_when_the_site_answers(site: Site, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(60)
        site.environment["NOTIFY_SOCKET"] = str(tmp_path / "n")
        site.serve("--no-worker")
        assert manager.recv(100) == b"READY=1"
        site.processes[-1].send_signal(signal.SIGTERM)
        assert manager.recv(100) == b"STOPPING=1"
        assert site.processes[-1].wait(30) == 0


@pytest.mark.fault
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_no_call_of_ten_thousand_fails_in_takeovers_under_load(
    tmp_path: Path, ledger: Ledger, database: str
) -> None:
    if database == "postgresql" and "postgresql" in services.missing():
        pytest.skip("needs PostgreSQL")
    with servers.maybe_database(database) as environment, demo_site(tmp_path, environment) as site:
        site.serve("--web", "2")
        outcomes: Counter[str] = Counter()
        began, times = time.monotonic(), 0
        with Load(site.port, example_of(site), ledger, callers=4) as load, new_connections(site, outcomes):
            while len(load.calls) + outcomes.total() < CALLS:
                load.wait_for_answers(500, 120)
                take_over(site, "--web", "2")
                times += 1
        assert load.refused() == []
        assert set(outcomes) == {"200"}
        slowest = max(call.seconds for call in load.calls)
        print(
            f"{times} takeovers on {database} in {time.monotonic() - began:.0f} s: {len(load.calls)} calls on kept "
            f"connections, {outcomes.total()} on new ones, none failed; the slowest took {slowest:.2f} s"
        )
