"""One site for all that the documentation tells to do, with a name and a proxy in front, as it recommends."""

from collections.abc import Iterator

import pytest

from tests.support.site import Site, demo_site

HOST = "classify.example.org"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    environment = {"ALLOWED_HOSTS": f"127.0.0.1,{HOST}", "CLFSITE_PROXIES": "1", "CLFSITE_LOG_FORMAT": "json"}
    with demo_site(tmp_path_factory.mktemp("site"), environment) as site:
        site.serve()
        yield site
