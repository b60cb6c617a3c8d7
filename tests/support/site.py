"""The whole site in processes of its own, as a user would start it."""

import csv
import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "a-password-for-tests"
KEY = "a-key-for-tests-0123456789"
START_SECONDS = 180
DEMO_ROWS = 1_200
DUMP = "demo.dump"
# made once, as it takes 18 ms to read the certificates of all authorities
trust = cache(httpx.create_ssl_context)


@dataclass
class Prepared:
    """Where the first site of a test session leaves a migrated state folder with a demo classifier for the others.

    Those on PostgreSQL have a folder of their own, with a dump of the database in it. Several processes of one session
    may share it; without a folder every site starts from nothing.
    """

    folder: Path | None = None

    def copy_to(self, site: "Site") -> bool:
        """Fill a new site's state folder and database; False where the site has to make its own."""
        database = site.environment.get("DATABASE_DIRECT_URL") or site.environment.get("DATABASE_URL", "")
        if self.folder is None or "CLFSITE_STORAGE_URL" in site.environment:
            return False
        if database and not shutil.which("pg_dump"):
            return False
        folder = self.folder.with_name(f"{self.folder.name}-postgresql" if database else self.folder.name)
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            is_first = not folder.exists()
            if is_first:
                made = Site(folder.with_suffix(".new"), {"DATABASE_URL": database} if database else {})
                made.state.mkdir()
                made.set_up()
                if database:
                    _run("pg_dump", "--format", "custom", "--file", made.state / DUMP, database)
                made.state.rename(folder)
        shutil.copytree(folder, site.state, dirs_exist_ok=True)
        if database:
            _run(
                "pg_restore", "--clean", "--if-exists", "--no-owner", "--dbname", database, site.state / DUMP
            )
        return True


prepared = Prepared()


@dataclass
class Site:
    """A site with its own state folder; `url` answers once it was started."""

    state: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = 0
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        kept = {
            key: value
            for key, value in os.environ.items()
            if key not in {"DATABASE_URL", "CELERY_BROKER_URL"}
        }
        mine = {
            "CLFSITE_STATE_DIR": str(self.state),
            "DEMO_PASSWORD": PASSWORD,
            "DEMO_API_KEY": KEY,
            "WANDB_MODE": "disabled",
        }
        return {**kept, **mine, **self.environment}

    def manage(self, *arguments: str) -> str:
        """Run a management command and return what it printed."""
        done = subprocess.run(
            [sys.executable, ROOT / "manage.py", *arguments],
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"manage.py {' '.join(arguments)}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def set_up(self) -> None:
        """Migrate, and train and activate a demo classifier on a part of the demo table."""
        table = self.state / "churn.csv"
        with (ROOT / "data" / "churn.csv").open(newline="") as source, table.open("w", newline="") as target:
            csv.writer(target).writerows(islice(csv.reader(source), DEMO_ROWS + 1))
        self.manage("setup_demo", "--table", str(table), "--estimator", "logistic_regression")

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a process of the site, its output in the state folder."""
        with (self.state / f"{command[-1].strip('-')}-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                env=self.environ,
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def serve(self, *options: str) -> None:
        """Start the web server, with one web process unless the options say more, and wait until it can answer."""
        self._serve("/health", *options)

    def serve_unready(self, *options: str) -> None:
        """Start the web server and wait until it is alive, though it may have nothing to answer with."""
        self._serve("/health/live", *options)

    def _serve(self, path: str, *options: str) -> None:
        if "--web" not in options:
            # a second process would take its start from the cores that the tests share
            options = (*options, "--web", "1")
        self.port = free_port()
        server = self.start(str(ROOT / "manage.py"), "serve", "--port", str(self.port), *options)
        wait_for(lambda: self.answers(server, path), "the site to start", START_SECONDS)

    def client(self, key: str = KEY) -> httpx.Client:
        """A caller with a key."""
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
            trust_env=False,
            verify=trust(),
        )

    def stop(self) -> None:
        """End every process and what it started; at once, as a worker takes five seconds to do so when asked."""
        running = [psutil.Process(process.pid) for process in self.processes if process.poll() is None]
        started = [child for process in running for child in process.children(recursive=True)]
        for item in (*running, *started):
            with suppress(psutil.NoSuchProcess):
                item.kill()
        for process in self.processes:
            process.wait()
        wait_for(lambda: all(_has_ended(item) for item in started), "the site to end", 20)

    def logs(self) -> str:
        """What the processes wrote."""
        return "\n".join(f"== {path.name}\n{path.read_text()}" for path in sorted(self.state.glob("*.log")))

    def answers(self, server: subprocess.Popen[bytes], path: str = "/health") -> bool:
        """Whether this server of the site does, with 200."""
        assert server.poll() is None, self.logs()
        try:
            answer = httpx.get(f"{self.url}{path}", timeout=2, trust_env=False, verify=trust())
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK


@contextmanager
def demo_site(state: Path, environment: dict[str, str] | None = None) -> Iterator[Site]:
    """A migrated site with a demo classifier trained on a part of the demo table, not yet serving."""
    site = Site(state, environment or {})
    try:
        _collect(site)
        if not prepared.copy_to(site):
            site.set_up()
        yield site
    finally:
        site.stop()


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _collect(site: Site) -> None:
    """Collect static files that are newer than those collected, in one process of those that find that at once."""
    folder = ROOT / "var"
    folder.mkdir(exist_ok=True)
    with (folder / "collecting.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_collected():
            site.manage("collectstatic", "--noinput", "--verbosity", "0")


def _is_collected() -> bool:
    """Whether no file under static/ is newer than what was collected last."""
    manifest = ROOT / "var" / "static" / "staticfiles.json"
    files = [path for path in (ROOT / "static").rglob("*") if path.is_file()]
    return manifest.exists() and all(path.stat().st_mtime <= manifest.stat().st_mtime for path in files)


def _has_ended(process: psutil.Process) -> bool:
    """Whether a process runs no more; nobody may have asked yet how it ended."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(condition: Any, what: str, seconds: float = 60) -> Any:
    """Wait until the condition returns something true, and return that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := condition():
            return result
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds} s for {what}")
