"""Restoring a backup into an empty site."""

import os
import shutil
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.storage import storages
from django.db import connection, connections

from clfsite.operations import backup
from clfsite.operations.backup import DATABASE_FILES, BackupError, count_rows, database_command
from clfsite.operations.known_files import STORAGES, check_files, walk


def restore_backup(folder: Path) -> dict[str, Any]:
    """Restore a backup into this site's empty database and storage, check the result and return the manifest.

    Raises:
        BackupError: the backup is damaged or of another kind of database, the site is not empty, or the
        restored data differ from the manifest.
    """
    manifest = backup.check_backup(folder)
    if manifest["database"] != connection.vendor:
        raise BackupError(
            f"the backup is of {manifest['database']}, this site uses {connection.vendor}; "
            "set DATABASE_URL to a database of the same kind"
        )
    _refuse_used_place()
    for name in manifest["files"]:
        storage, _, inner = name.partition("/")
        if inner:
            with (folder / name).open("rb") as file:
                storages[storage].save(inner, File(file))
    load = _load_sqlite if connection.vendor == "sqlite" else _load_postgresql
    load(folder / DATABASE_FILES[connection.vendor])
    if count_rows() != manifest["rows"]:
        raise BackupError("the row counts of the restored database differ from the manifest")
    findings = check_files()
    if not findings.is_sound and len(findings.missing) + len(findings.changed) > len(manifest["missing"]):
        raise BackupError(
            f"restored files are missing or changed: {', '.join(findings.missing + findings.changed)}"
        )
    return manifest


def _refuse_used_place() -> None:
    tables = connection.introspection.table_names()
    if tables:
        raise BackupError(
            f"the database has {len(tables)} tables; a backup is restored into an empty one. "
            "Name a new database (DATABASE_URL) or state folder (CLFSITE_STATE_DIR)"
        )
    for name in STORAGES:
        if first := next(walk(storages[name]), None):
            raise BackupError(
                f"the storage of {name} is not empty: it has {first}. "
                "Name a new state folder (CLFSITE_STATE_DIR) or bucket (CLFSITE_STORAGE_URL)"
            )


def _load_sqlite(source: Path) -> None:
    target = Path(connection.settings_dict["NAME"])
    connections.close_all()
    for leftover in ("-wal", "-shm"):
        target.with_name(target.name + leftover).unlink(missing_ok=True)
    temporary = target.with_name(f".restoring-{target.name}")
    shutil.copyfile(source, temporary)
    temporary.chmod(0o600)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(target)


def _load_postgresql(source: Path) -> None:
    command, environment = database_command("pg_restore")
    options = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", str(source)]
    connections.close_all()
    backup.run([*command, *options], "the dump could not be restored", environment)
