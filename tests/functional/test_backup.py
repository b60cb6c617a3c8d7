"""Backups as docs/operations.md tells to make them: a second site that was restored from one answers the same."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import servers, services
from tests.support.pages import Block, blocks, commands
from tests.support.site import KEY, ROOT, Site, demo_site

pytestmark = pytest.mark.site
PAGE = ROOT / "docs" / "operations.md"
DATABASES = ["sqlite", "postgresql"]


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """What tells the first site its database: nothing for SQLite."""
    if request.param == "sqlite":
        yield {}
        return
    if "postgresql" in services.missing() or not shutil.which("pg_dump"):
        pytest.skip("needs PostgreSQL and pg_dump")
    with servers.database() as url:
        yield {"DATABASE_URL": url}


@pytest.fixture
def second_database(database: dict[str, str]) -> Iterator[dict[str, str]]:
    """An empty database for the second site, of the same kind."""
    if not database:
        yield {}
        return
    with servers.database() as url:
        yield {"DATABASE_URL": url}


def commands_below(title: str) -> list[str]:
    """The commands under a heading of the page, in their order."""
    text = PAGE.read_text()
    first = text[: text.index(f"### {title}\n")].count("\n")
    following = [
        number for number, line in enumerate(text.splitlines()) if line.startswith("#") and number > first
    ]
    result = [block for block in blocks(PAGE) if first < block.line <= following[0]]
    return [command for block in result for command in _commands(block)]


def _commands(block: Block) -> list[str]:
    return list(commands(block)) if block.language == "console" else [block.text]


def run(script: str, folder: Path, environ: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"


def asked(site: Site) -> tuple[Any, list[Any]]:
    """What a site says it serves, and the answers it gives to rows around its example."""
    with site.client() as caller:
        served = caller.get("/info").json()["classifiers"][0]
        rows = [{**served["example"], "tenure": tenure} for tenure in (1, 12, 40, 72)]
        answers = (
            caller.post("/predict-batch", json={"records": rows}).raise_for_status().json()["predictions"]
        )
        return served, [(answer["label"], answer["probabilities"]) for answer in answers]


def test_a_site_restored_from_a_backup_answers_the_same(
    database: dict[str, str], second_database: dict[str, str], tmp_path: Path
) -> None:
    for name in ("first", "work"):
        (tmp_path / name).mkdir()
    work = tmp_path / "work"
    (work / "manage.py").symlink_to(ROOT / "manage.py")
    (work / ".venv").symlink_to(sys.prefix)
    with demo_site(tmp_path / "first", database) as first:
        first.serve("--no-worker")
        served, answers = asked(first)
        environ = first.environ
        if second_database:
            environ["NEW_DATABASE_URL"] = second_database["DATABASE_URL"]
        for command in commands_below("With PostgreSQL" if second_database else "With SQLite"):
            run(command, work, environ)
        with first.client() as caller:
            logged = caller.get("/api/predictions").json()["results"]
    second = Site(work / "restored", second_database)
    try:
        second.serve("--no-worker")
        with second.client(KEY) as caller:
            assert caller.get("/api/predictions").json()["results"] == logged
        assert asked(second) == (served, answers)
    finally:
        second.stop()
