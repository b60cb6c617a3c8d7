"""A site with PostgreSQL and a Redis of its own, whose workers each test starts, for the modules that make them fail."""

from collections.abc import Iterator

import pytest

from tests.support import servers, services
from tests.support.servers import RedisServer, database
from tests.support.site import Site, demo_site

# run in an environment of their own, see test_clients.py
collect_ignore = ["clients"]


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with servers.redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def site(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if "postgresql" in services.missing():
        pytest.skip(f"postgresql: {services.missing()['postgresql']}")
    with database() as url:
        environment = {"DATABASE_URL": url, "CELERY_BROKER_URL": redis_server.url}
        with demo_site(tmp_path_factory.mktemp("site"), environment) as site:
            site.serve("--no-worker")
            yield site
