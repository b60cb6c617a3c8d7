"""A backup of the whole site: the database and every file that its rows refer to, with a manifest of hashes.

The database is saved first and the files after it. Files never change and rows only gain files, so the copy has each
file that its rows need. A backup is written under a name that begins with a dot, verified, and renamed when
it is complete, so an interrupted backup never looks complete.
"""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.files.storage import storages
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from clfsite.core.errors import ProblemError
from clfsite.core.storage.files import copy_hashed, digest
from clfsite.operations.known_files import known_files

# the last one is noted under this name, for the metrics
NAME = "backup"
MANIFEST = "manifest.json"
FORMAT = 1
PARTIAL = ".partial-"
# file of the database in a backup, by kind of database
DATABASE_FILES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
# apps whose tables are counted: the site's own, including people and keys
COUNTED_APPS = ("auth", "training", "predictions")

Note = Callable[[str], None]


class BackupError(ProblemError):
    """A backup could not be created, read or restored; nothing else was changed."""


def create_backup(folder: Path, *, keep: int | None, note: Note) -> Path:
    """Save the site into a new folder below this one and return it.

    Args:
        keep: how many complete backups to keep, the new one included; None keeps all.
        note: called with each line of the progress.

    Raises:
        BackupError: it could not be written or verified; earlier backups are unchanged.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _remove_partials(folder, note)
    made_at = datetime.now(UTC)
    name = f"clfsite-{made_at:%Y%m%dT%H%M%S}Z"
    target, partial = folder / name, folder / f"{PARTIAL}{name}"
    if target.exists():
        raise BackupError(f"{target} exists already; backups are made once a second at most")
    with _private_files():
        partial.mkdir()
        try:
            manifest = _write(partial, made_at, note)
            (partial / MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
            check_backup(partial)
            _fsync_tree(partial)
        except BaseException as error:
            shutil.rmtree(partial, ignore_errors=True)
            if isinstance(error, OSError | sqlite3.Error):
                reason = getattr(error, "strerror", None) or error
                raise BackupError(f"the backup could not be written: {reason}") from error
            raise
    partial.rename(target)
    _fsync(folder)
    if keep is not None:
        _rotate(folder, keep, note)
    return target


def check_backup(backup: Path) -> dict[str, Any]:
    """Verify a whole backup and return its manifest.

    Raises:
        BackupError: it has no manifest, or a file is missing or changed, or the database in it cannot be read.
    """
    manifest = read_manifest(backup)
    for name, entry in manifest["files"].items():
        path = backup / name
        if not path.is_file():
            raise BackupError(f"{backup} is incomplete: {name} is missing")
        with path.open("rb") as file:
            if digest(file) != entry["sha256"]:
                raise BackupError(f"{backup} is damaged: the SHA-256 of {name} is not that of the manifest")
    path = backup / DATABASE_FILES[manifest["database"]]
    if manifest["database"] == "sqlite":
        _check_sqlite(path, manifest["rows"])
    else:
        # decodes the whole dump without writing
        run(["pg_restore", "--file", os.devnull, str(path)], "the dump cannot be read")
    return manifest


def read_manifest(backup: Path) -> dict[str, Any]:
    """The manifest of a backup.

    Raises:
        BackupError: it is missing, or has another format.
    """
    try:
        manifest: Any = json.loads((backup / MANIFEST).read_text())
    except FileNotFoundError as error:
        raise BackupError(f"{backup} is not a backup: it has no {MANIFEST}") from error
    except (ValueError, OSError) as error:
        raise BackupError(f"{backup / MANIFEST} cannot be read: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise BackupError(f"{backup / MANIFEST} is not of format {FORMAT}, which this release reads")
    return dict(manifest)


def list_backups(folder: Path) -> list[Path]:
    """The complete backups of a folder, oldest first."""
    return sorted(path for path in folder.glob("clfsite-*Z") if (path / MANIFEST).is_file())


def database_command(program: str) -> tuple[list[str], dict[str, str]]:
    """The command line of a PostgreSQL program for the site's database, past a pooler if possible, and its
    environment.

    The password goes through the environment, where other users of the machine cannot read it.
    """
    config = {**connection.settings_dict, **(settings.ENV.direct_database() or {})}
    config["NAME"] = connection.settings_dict["NAME"]
    command = [program, "--dbname", config["NAME"]]
    for option, key in (("--host", "HOST"), ("--port", "PORT"), ("--username", "USER")):
        if config.get(key):
            command += [option, str(config[key])]
    environment = {**os.environ, "PGCONNECT_TIMEOUT": "10"}
    if config.get("PASSWORD"):
        environment["PGPASSWORD"] = config["PASSWORD"]
    if sslmode := config.get("OPTIONS", {}).get("sslmode"):
        environment["PGSSLMODE"] = sslmode
    return command, environment


def count_rows() -> dict[str, int]:
    """The number of rows of each table of the site."""
    with connection.cursor() as cursor:
        return {table: _count(cursor, table) for table in _counted_tables()}


def _write(partial: Path, made_at: datetime, note: Note) -> dict[str, Any]:
    vendor = connection.vendor
    database = partial / DATABASE_FILES[vendor]
    save = _save_sqlite if vendor == "sqlite" else _save_postgresql
    rows = save(database)
    files = {database.name: _entry(database)}
    missing = []
    for known in known_files():
        source = storages[known.storage]
        if not source.exists(known.name):
            if known.required:
                missing.append(f"{known.storage}/{known.name} ({known.row})")
            continue
        path = partial / known.storage / known.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with source.open(known.name) as content:
            sha256, size = copy_hashed(content, path, limit=1 << 62)
        if known.sha256 not in {None, sha256}:
            missing.append(f"{known.storage}/{known.name} ({known.row}), which has changed")
        files[f"{known.storage}/{known.name}"] = {"sha256": sha256, "size_bytes": size}
    for place in missing:
        note(f"not in the backup because it is missing from the site: {place}")
    return {
        "format": FORMAT,
        "made_at": made_at.isoformat(timespec="seconds"),
        "database": vendor,
        "migrations": sorted(
            f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()
        ),
        "rows": rows,
        "files": files,
        "missing": missing,
    }


def _save_sqlite(target: Path) -> dict[str, int]:
    """Copy the database as of one moment, while the site keeps writing."""
    source = connection.settings_dict["NAME"]
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        cursor = copy.cursor()
        return {table: _count(cursor, table) for table in _counted_tables()}


def _save_postgresql(target: Path) -> dict[str, int]:
    """Dump the database and count its rows in one snapshot."""
    command, environment = database_command("pg_dump")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SELECT pg_export_snapshot()")
            snapshot = cursor.fetchone()[0]
        rows = count_rows()
        options = ["--format", "custom", "--snapshot", snapshot, "--file", str(target)]
        run([*command, *options], "the database could not be dumped", environment)
    return rows


def _check_sqlite(path: Path, rows: dict[str, int]) -> None:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as copy:
            cursor = copy.cursor()
            (verdict,) = cursor.execute("PRAGMA integrity_check").fetchone()
            counted = {table: _count(cursor, table) for table in rows}
    except sqlite3.Error as error:
        raise BackupError(f"the database in the backup cannot be read: {error}") from error
    if verdict != "ok" or counted != rows:
        raise BackupError(f"the database in the backup is damaged: {verdict}")


def _counted_tables() -> list[str]:
    """Return the tables whose rows are counted; a database from before an upgrade has not all of them yet."""
    there = set(connection.introspection.table_names())
    return sorted(
        model._meta.db_table
        for model in apps.get_models()
        if model._meta.app_label in COUNTED_APPS and model._meta.managed and model._meta.db_table in there
    )


def _count(cursor: Any, table: str) -> int:
    cursor.execute(f'SELECT COUNT(*) FROM "{table}"')  # noqa: S608  names of our own models
    return int(cursor.fetchone()[0])


def run(command: list[str], what: str, environment: dict[str, str] | None = None) -> None:
    """Run one of PostgreSQL's programs.

    Raises:
        BackupError: it is not installed, or failed; has its output.
    """
    if not shutil.which(command[0]):
        raise BackupError(
            f"{command[0]} is not installed; install PostgreSQL's client of the server's release or newer"
        )
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise BackupError(f"{what}: {done.stderr.strip()[-500:]}")


def _entry(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"sha256": digest(file), "size_bytes": path.stat().st_size}


def _rotate(folder: Path, keep: int, note: Note) -> None:
    for old in list_backups(folder)[:-keep]:
        # without a manifest, an incomplete removal does not look like a backup
        (old / MANIFEST).unlink()
        shutil.rmtree(old)
        note(f"removed {old.name}; {keep} backups are kept")


def _remove_partials(folder: Path, note: Note) -> None:
    for partial in folder.glob(f"{PARTIAL}*"):
        shutil.rmtree(partial, ignore_errors=True)
        note(f"removed {partial.name}, which was interrupted")


@contextmanager
def _private_files() -> Iterator[None]:
    """Make new files in the block readable only for the owner."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _fsync_tree(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        _fsync(path)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
