"""Two sites to do harm to: one on a PostgreSQL and a Redis of its own with two web processes, one on SQLite."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.functional.faults.ledger import Comparison, Ledger, compare
from tests.functional.faults.load import kept_ledger
from tests.support.servers import PostgresServer, RedisServer, postgresql, server_programs
from tests.support.site import Site, demo_site, free_port, wait_for

MANAGER_SCOPES = ("train", "read", "activate", "predict")
# each thread of both web processes may hold one, and commands and the tests need some
CONNECTIONS = 60


@pytest.fixture(scope="package")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that no one else uses."""
    try:
        server_programs()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    with postgresql(f"max_connections={CONNECTIONS}") as server:
        yield server


@pytest.fixture(scope="package")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis that no one else uses."""
    if not shutil.which("redis-server"):
        pytest.skip("redis-server is not installed")
    server = RedisServer(tmp_path_factory.mktemp("redis"), free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="package")
def site(
    postgres: PostgresServer, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Two web processes on PostgreSQL; version 1 of churn is active, version 2 could be."""
    environment = {"DATABASE_URL": postgres.url, "CELERY_BROKER_URL": redis_server.url}
    with demo_site(tmp_path_factory.mktemp("site"), environment) as site:
        train_second(site)
        site.serve("--no-worker", "--web", "2")
        yield site


@pytest.fixture(scope="package")
def small_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One web process on SQLite, with two versions as well."""
    with demo_site(tmp_path_factory.mktemp("small")) as site:
        train_second(site)
        site.serve("--no-worker")
        yield site


@pytest.fixture(scope="package")
def manager(site: Site) -> str:
    """A key that may do everything."""
    return make_key(site, "manager", *MANAGER_SCOPES)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with kept_ledger(tmp_path / "ledger.jsonl") as kept:
        yield kept


def train_second(site: Site) -> None:
    table = str(site.state / "churn.csv")
    site.manage("train", table, "--target", "churn", "--estimator", "logistic_regression", "--scoring", "f1")


def make_key(site: Site, name: str, *scopes: str) -> str:
    return site.manage("createkey", name, *[part for scope in scopes for part in ("--scope", scope)]).strip()


def database_of(site: Site) -> str:
    return site.environment.get("DATABASE_URL", f"sqlite:///{site.state / 'db.sqlite3'}")


def example_of(site: Site) -> dict[str, Any]:
    """A row that the site's model takes."""
    with site.client() as caller:
        # a version that was just activated is served within two seconds
        served = wait_for(lambda: caller.get("/info").json()["classifiers"], "an active version")
        result: dict[str, Any] = served[0]["example"]
    return result


def web_processes(site: Site) -> list[psutil.Process]:
    """The processes that answer requests: granian's children."""
    server = psutil.Process(site.processes[-1].pid)
    family = [server, *server.children(recursive=True)]
    granian = {item.pid for item in family if "granian" in _command(item)}
    return [item for item in family if item.pid in granian and item.ppid() in granian]


def ready(site: Site, seconds: float = 20) -> None:
    """Wait until the site says that it can serve."""

    def is_ready() -> bool:
        try:
            answer = httpx.get(f"{site.url}/health/ready", timeout=5, trust_env=False)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK

    wait_for(is_ready, "the site to be ready", seconds)


def kept(ledger: Ledger, site: Site, before: int) -> Comparison:
    """Compare ledger and log, which must not differ."""
    result = compare(ledger, database_of(site), before)
    assert result.acknowledged > 0
    assert not result.faults, (len(result.faults), result.faults[:5], site.logs()[-3_000:])
    return result


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
