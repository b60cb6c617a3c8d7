"""`manage.py serve` goes on whatever dies: web processes killed again and again, the worker, the supervisor itself."""

import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from clfsite import supervisor
from clfsite.supervisor import Kept
from tests.functional.faults.conftest import web_processes
from tests.support.site import ROOT, Site, demo_site, wait_for

pytestmark = [pytest.mark.fault]


def test_a_process_that_ends_at_once_is_started_for_ever_after_growing_pauses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "PAUSE_SECONDS", (0, 0.1, 0.2))
    # the module prints a line and ends
    kept = Kept("it", ["platform"], os.environ)

    def starts() -> int:
        kept.look()
        return len(caplog.records)

    with caplog.at_level(logging.ERROR):
        wait_for(lambda: starts() > len(supervisor.PAUSE_SECONDS) + 1, "the process to be started again", 60)
    kept.stop(time.monotonic())
    output = [record.getMessage() for record in caplog.records]
    assert all("it ended with exit status 0" in text for text in output)
    assert [text.rpartition("restarting ")[2] for text in output[:5]] == [
        "now",
        "in 0.1 s",
        "in 0.2 s",
        "in 0.2 s",
        "in 0.2 s",
    ]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with demo_site(tmp_path) as site:
        site.serve("--web", "2")
        yield site


@pytest.mark.site
def test_a_killed_web_process_is_no_outage_and_many_do_not_end_the_site(site: Site) -> None:
    server = site.processes[0]
    # one after the other, each within a second of its start: granian by itself gives up at the second
    for _ in range(6):
        first = wait_for(lambda: len(result := web_processes(site)) == 2 and result, "two web processes", 30)[
            0
        ]
        first.kill()
        first.wait(5)
    wait_for(lambda: site.answers(server), "the site to answer again", 60)
    text = site.logs()
    assert "restarting now" in text
    assert "restarting in 4 s" in text
    pair = wait_for(lambda: len(result := web_processes(site)) == 2 and result, "two web processes", 30)
    # both have begun to listen
    wait_for(lambda: all(item.net_connections("tcp") for item in pair), "both to listen", 60)
    pair[0].kill()
    pair[0].wait(5)
    for _ in range(20):
        assert httpx.get(f"{site.url}/health/live", timeout=10, trust_env=False).is_success


@pytest.mark.site
def test_a_killed_worker_is_started_again(site: Site) -> None:
    def worker() -> psutil.Process | None:
        children = psutil.Process(site.processes[0].pid).children()
        return next((item for item in children if "celery" in item.cmdline()), None)

    first = wait_for(worker, "the worker", 30)
    first.kill()
    first.wait(5)
    assert wait_for(worker, "another worker", 30).pid != first.pid


@pytest.mark.site
def test_a_killed_supervisor_leaves_no_process_behind(site: Site) -> None:
    server = psutil.Process(site.processes[0].pid)
    family = server.children(recursive=True)
    assert len(family) >= 5
    os.kill(server.pid, signal.SIGKILL)
    assert psutil.wait_procs(family, timeout=30)[1] == []


def test_a_port_that_is_taken_ends_the_command_with_a_line_that_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        server = site.start(str(ROOT / "manage.py"), "serve", "--port", port)
        assert server.wait(60) == 1
    assert f"cannot listen on 127.0.0.1:{port}: " in site.logs()
    assert "Traceback" not in site.logs()
