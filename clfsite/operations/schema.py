"""Whether the database's schema is the one of this release."""

from importlib.util import find_spec
from pathlib import Path

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

Names = set[tuple[str, str]]


def newer() -> str:
    """Why this release must not use the database: it was migrated by a newer one. Empty if it was not.

    Raises:
        django.db.Error: the database does not answer.
    """
    known = _on_disk()
    labels = {label for label, _ in known}
    extra = {name for name in _applied() - known if name[0] in labels}
    if extra:
        # an earlier database has the names of migrations that one of this release replaces
        disk = MigrationLoader(None).disk_migrations.values()
        extra -= {name for migration in disk for name in migration.replaces}
    if not extra:
        return ""
    return (
        f"the database is newer than this release: it has {_listed(extra)}, which this release does not know. Start "
        "the release that migrated it, or take its migrations back with that release; docs/upgrading.md has the steps"
    )


def older() -> str:
    """Which migrations of this release the database does not have yet. Empty if it has all of them.

    Raises:
        django.db.Error: the database does not answer.
    """
    missing = _on_disk() - _applied()
    return f"the database lacks {_listed(missing)}; run manage.py migrate first" if missing else ""


def _applied() -> Names:
    return set(MigrationRecorder(connection).applied_migrations())


def _on_disk() -> Names:
    """The migrations of this release by the names of their files, because importing them takes long."""
    names = set()
    for app in apps.get_app_configs():
        spec = find_spec(f"{app.name}.migrations")
        for folder in (spec and spec.submodule_search_locations) or ():
            names |= {(app.label, path.stem) for path in Path(folder).glob("[!_]*.py")}
    return names


def _listed(names: Names) -> str:
    return ", ".join(f"{label}.{name}" for label, name in sorted(names))
