"""`manage.py migrate`: Django's command, over the direct connection if there is one; waits for a suspended
database.

It refuses a database that stopped half way through migrations which this release no longer has.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 1.0


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        alias = options.get("database") or DEFAULT_DB_ALIAS
        with _direct(alias):
            self._wait(alias)
            _refuse_half_migrated(alias)
            super().handle(*args, **options)

    def _wait(self, alias: str) -> None:
        """Connect, with retries for half a minute, because a suspended database takes seconds to start.

        Raises:
            CommandError: the database did not answer; has the last error.
        """
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                connections[alias].ensure_connection()
            except OperationalError as error:
                if attempt == ATTEMPTS:
                    raise CommandError(
                        f"the database did not answer in {ATTEMPTS} attempts: {str(error).strip()}"
                    ) from error
                self.stderr.write(f"the database does not answer yet; trying again in {pause:g} s")
                time.sleep(pause)
                pause *= 2
            else:
                return


def _refuse_half_migrated(alias: str) -> None:
    """Check that a migration which replaces others finds all of them applied, or none.

    Django takes such a migration away from a database with some of them. It then applies those of other apps and fails
    where it looks for the tables.

    Raises:
        CommandError: some are applied, and the others are not part of this release; says which and what to do.
    """
    applied = MigrationRecorder(connections[alias]).applied_migrations()
    known = MigrationLoader(None).disk_migrations
    for migration in known.values():
        done = [name for name in migration.replaces if name in applied]
        gone = [name for name in migration.replaces if name not in applied and name not in known]
        if done and gone:
            raise CommandError(
                f"the database is older than this release can migrate: {migration.app_label} stands at {done[-1][1]}, "
                f"and {gone[0][1]} to {gone[-1][1]} are not part of this release. Expected {migration.replaces[-1][1]}, "
                "or an empty database. Nothing was changed. Migrate it with the code of commit 1a18ba8 first, then with "
                "this release; docs/operations.md has the steps"
            )


@contextmanager
def _direct(alias: str) -> Iterator[None]:
    """Connect past the pooler in the block, because locks and settings of migrations do not work with pooled connections."""
    direct = settings.ENV.direct_database()
    if direct is None or alias != DEFAULT_DB_ALIAS:
        yield
        return
    connection = connections[alias]
    pooled = connection.settings_dict
    connection.close()
    # the same database over another address; in tests, its name is that of the tests' database
    connection.settings_dict = {**pooled, **direct, "NAME": pooled["NAME"]}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = pooled
