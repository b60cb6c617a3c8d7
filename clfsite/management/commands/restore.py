"""`manage.py restore DIR`: restore a backup into an empty site."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clfsite.operations.backup import BackupError
from clfsite.operations.restore import restore_backup


class Command(BaseCommand):
    help = "Restore a backup that `manage.py backup` made into an empty database and empty storage, and check the result."
    # the database is empty, so Django has no migrations to check
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "folder", metavar="BACKUP", type=Path, help="one backup, such as backups/clfsite-20261129T020000Z"
        )

    def handle(self, *, folder: Path, **_: Any) -> None:
        try:
            manifest = restore_backup(folder.resolve())
        except BackupError as error:
            raise CommandError(str(error)) from error
        rows = sum(manifest["rows"].values())
        self.stdout.write(f"restored {rows:,} rows and {len(manifest['files']) - 1:,} files, all verified")
        self.stdout.write(f"changes after {manifest['made_at']} are not included")
        self.stdout.write(
            "next: manage.py migrate, which brings the schema to this release, then start the site"
        )
