"""Backups as docs/operations.md tells to make them: a second site that was restored from one answers the same."""

import filecmp
import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.support import servers, services
from tests.support.pages import Block, blocks, commands
from tests.support.site import KEY, ROOT, Site, demo_site

pytestmark = pytest.mark.site
PAGE = ROOT / "docs" / "operations.md"
DATABASES = ["sqlite", "postgresql"]
KILLS = 16
COUNTED_SECONDS = 30


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


def rows(state: Path, database: dict[str, str]) -> dict[str, list[str]]:
    """Every row of every table, apart from when a chore was done last."""
    result = tables(state, database)
    assert result.pop("jobs_chore")
    assert result["predictions_prediction"]
    return result


def tables(state: Path, database: dict[str, str]) -> dict[str, list[str]]:
    """Every row of every table."""
    if database:
        connection: Any = psycopg2.connect(database["DATABASE_URL"])
        names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    else:
        connection = sqlite3.connect(f"file:{state / 'db.sqlite3'}?mode=ro", uri=True)
        names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    with closing(connection):
        cursor = connection.cursor()
        cursor.execute(names)
        result = {}
        for (name,) in cursor.fetchall():
            cursor.execute(f'SELECT * FROM "{name}"')  # noqa: S608
            result[name] = sorted(repr([_plain(value) for value in row]) for row in cursor.fetchall())
    return result


def wait_until_counted(state: Path, database: dict[str, str]) -> None:
    """Wait until a site has added the counts of its last commit to those by hour, which it does by itself."""
    until = time.monotonic() + COUNTED_SECONDS
    while tables(state, database)["predictions_commitcount"]:
        assert time.monotonic() < until, "the counts of a commit were not added to those by hour"
        time.sleep(0.1)


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def assert_same_files(first: Path, second: Path) -> None:
    """Every dataset, artifact and file of a batch has the same bytes."""
    names = [
        path.relative_to(first)
        for storage in ("datasets", "artifacts", "batches")
        for path in (first / storage).rglob("*")
        if path.is_file()
    ]
    assert names
    assert filecmp.cmpfiles(first, second, names, shallow=False)[1:] == ([], [])


@pytest.mark.fault
def test_a_backup_killed_at_any_point_leaves_the_last_good_one(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    with demo_site(tmp_path / "site") as site:
        site.manage("backup", str(folder))
        began = time.monotonic()
        site.manage("backup", str(folder), "--keep", "1")
        seconds = time.monotonic() - began
        kept = list(folder.iterdir())
        content = contents(kept[0])
        for part in range(1, KILLS + 1):
            backup = site.start(str(ROOT / "manage.py"), "backup", str(folder))
            with suppress(subprocess.TimeoutExpired):
                backup.wait(seconds * part / KILLS)
            backup.kill()
            backup.wait()
            complete = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
            assert complete[0] == kept[0]
            assert contents(complete[0]) == content
            for path in complete:
                manifest = json.loads((path / "manifest.json").read_text())
                for name, entry in manifest["files"].items():
                    assert sha256((path / name).read_bytes()).hexdigest() == entry["sha256"]
        site.manage("backup", str(folder))
        assert not list(folder.glob(".*"))
    interrupted = KILLS + 1 - len(complete)
    assert interrupted
    print(f"{interrupted} of {KILLS} backups were killed within {seconds:.1f} s, the others were complete")


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


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
        # the first site goes on during its backup, and both shall be compared as they were then
        wait_until_counted(first.state, database)
        environ = first.environ
        if second_database:
            environ["NEW_DATABASE_URL"] = second_database["DATABASE_URL"]
        for command in commands_below("With PostgreSQL" if second_database else "With SQLite"):
            run(command, work, environ)
        with first.client() as caller:
            logged = caller.get("/api/predictions").json()["results"]
        assert rows(work / "restored", second_database) == rows(first.state, database)
        assert_same_files(first.state, work / "restored")
    second = Site(work / "restored", second_database)
    try:
        second.serve("--no-worker")
        with second.client(KEY) as caller:
            assert caller.get("/api/predictions").json()["results"] == logged
        assert asked(second) == (served, answers)
    finally:
        second.stop()
