"""`manage.py serve` as a user starts it: what it says is so when it says it."""

import shutil
from pathlib import Path

import httpx
import pytest

from tests.support.site import ROOT, Site, demo_site, free_port, wait_for

SERVED = "is served at"


def start(site: Site, *options: str) -> None:
    """Start the site and wait until it says that it is served."""
    site.port = free_port()
    server = site.start(str(ROOT / "manage.py"), "serve", "--port", str(site.port), *options)

    def has_said() -> bool:
        assert server.poll() is None, site.logs()
        return f"{SERVED} {site.url}/" in site.logs()

    wait_for(has_said, "the site to say where it is served")


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of a site that has nothing yet."""
    folder = tmp_path_factory.mktemp("migrated")
    Site(folder).manage("migrate", "--verbosity", "0")
    return folder


@pytest.mark.parametrize("options", [(), ("--no-worker", "--web", "2")], ids=" ".join)
def test_site_says_that_it_is_served_once_its_port_answers(
    options: tuple[str, ...], migrated: Path, tmp_path: Path
) -> None:
    site = Site(shutil.copytree(migrated, tmp_path, dirs_exist_ok=True))
    try:
        start(site, *options)
        assert httpx.get(f"{site.url}/accounts/login/", timeout=20, trust_env=False).status_code == 200
        assert site.logs().count(SERVED) == 1
    finally:
        site.stop()


def test_demo_that_is_there_is_served_at_once_and_what_is_missing_is_made(tmp_path: Path) -> None:
    with demo_site(tmp_path) as site:
        start(site, "--demo", "--no-worker")
        assert site.logs().splitlines()[-1].startswith(f"clfsite {SERVED}")
        assert "API key" not in site.logs()
        with site.client() as client:
            assert client.get("/info").json()["classifiers"][0]["model"] == "churn"
        site.environment["DEMO_API_KEY"] = "another-key-for-tests-0123456789"
        start(site, "--demo", "--no-worker")
        assert "API key:      as given in DEMO_API_KEY" in site.logs()
        assert "Training" not in site.logs()
        with site.client("another-key-for-tests-0123456789") as client:
            assert client.get("/info").status_code == 200
        with site.client(site.manage("createkey", "uploader", "--scope", "train").strip()) as uploader:
            # a body of several pieces
            table = "size,kind\n" + "".join(f"{row % 1_000},{'ab'[row % 2]}\n" for row in range(200_000))
            answer = uploader.post(
                "/api/datasets", data={"name": "long", "target": "kind"}, files={"file": table}
            )
        assert answer.json().get("rows") == 200_000, answer.text
