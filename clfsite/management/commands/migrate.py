"""`manage.py migrate`: Django's, over the direct connection where there is one, and patient with a database that wakes up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections

ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 1.0


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        alias = options.get("database") or DEFAULT_DB_ALIAS
        with _direct(alias):
            self._wait(alias)
            super().handle(*args, **options)

    def _wait(self, alias: str) -> None:
        """Connect, again and again for half a minute: a suspended database takes seconds to come up.

        Raises:
            CommandError: it did not answer; says what the last attempt met.
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


@contextmanager
def _direct(alias: str) -> Iterator[None]:
    """Connect past the pooler meanwhile, whose connections a migration's locks and settings do not survive."""
    direct = settings.ENV.direct_database()
    if direct is None or alias != DEFAULT_DB_ALIAS:
        yield
        return
    connection = connections[alias]
    pooled = connection.settings_dict
    connection.close()
    # the same database by another way; its name is that of the tests' database while they run
    connection.settings_dict = {**pooled, **direct, "NAME": pooled["NAME"]}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = pooled
