"""`manage.py backup DIR`: save the database and all files of the site."""

import argparse
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from clfsite.core.jobs import site
from clfsite.core.jobs.models import Chore
from clfsite.operations.backup import NAME, BackupError, create_backup


class Command(BaseCommand):
    help = (
        "Save the database and every file that it refers to into a new folder below DIR, and verify it. The "
        "site can keep serving. Settings (.env, SECRET_KEY) are not part of a backup; store them separately."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", metavar="DIR", type=Path, help="folder that holds the backups")
        parser.add_argument(
            "--keep", type=_positive, metavar="N", help="remove all but the N newest backups afterwards"
        )

    def handle(self, *, folder: Path, keep: int | None, **_: Any) -> None:
        if problem := site.foreign_folder():
            raise CommandError(problem)
        try:
            made = create_backup(folder.resolve(), keep=keep, note=self.stderr.write)
        except BackupError as error:
            raise CommandError(str(error)) from error
        size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
        # a database that only allows reading, or one from before an upgrade, is saved all the same
        with suppress(Error):
            Chore.objects.note(NAME, {"bytes": size})
        self.stdout.write(f"{made} is complete: {size:,} bytes, verified")
        if settings.BUCKET is not None:
            self.stderr.write("files were copied from the bucket; older object versions are not saved")


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text}")
    return number
