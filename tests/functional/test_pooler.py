"""A site as on Render with Neon: everything through a pooler in transaction mode, migrations past it."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support import pooler
from tests.support.servers import database
from tests.support.site import Site, demo_site

pytestmark = pytest.mark.site
CALLERS = 8


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if why := pooler.missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("pooler")
    for item in (folder, *list(folder.parents)[:2]):
        os.chmod(item, 0o755)  # noqa: S103  pgbouncer runs as another user
    state: Path = tmp_path_factory.mktemp("site")
    with (
        database() as direct,
        pooler.transactions(folder, direct.rpartition("/")[2]) as pooled,
        demo_site(state, {"DATABASE_URL": pooled, "DATABASE_DIRECT_URL": direct}) as site,
    ):
        site.serve("--web", "2")
        yield site


def test_more_callers_than_the_pooler_has_connections_are_answered_and_logged(site: Site) -> None:
    with site.client() as caller:
        example = caller.get("/info").json()["classifiers"][0]["example"]

    def predict(_: int) -> list[int]:
        with site.client() as caller:
            return [caller.post("/predict", json={"features": example}).status_code for _ in range(10)]

    with ThreadPoolExecutor(CALLERS) as callers:
        answers = [status for statuses in callers.map(predict, range(CALLERS)) for status in statuses]
    assert set(answers) == {httpx.codes.OK}, site.logs()
    logged = site.manage(
        "shell", "--command", "from predictions.models import Prediction as P; print(P.objects.count())"
    )
    assert int(logged.split()[-1]) == len(answers)


def test_pages_that_read_much_come_through_the_pooler(site: Site) -> None:
    with httpx.Client(base_url=site.url, trust_env=False, follow_redirects=True) as person:
        page = person.get("/accounts/login/")
        form = {"username": "demo", "password": site.environ["DEMO_PASSWORD"]}
        form["csrfmiddlewaretoken"] = person.cookies["csrftoken"]
        assert page.is_success
        home = person.post("/accounts/login/", data=form, headers={"Referer": site.url})
        assert home.url.path == "/portal/"
        for path in ("/portal/predictions", "/portal/batches", "/admin/predictions/prediction/"):
            assert person.get(path).status_code == httpx.codes.OK, path
