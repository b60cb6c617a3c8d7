"""`manage.py erase`: erase the predictions with a reference."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clfsite.core.errors import ProblemError
from predictions.erasures.service import erase


class Command(BaseCommand):
    help = "Erase the predictions with a reference, with their true labels, and record that it was done. The counts stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("reference", help="the caller's own key, complete")
        parser.add_argument("--reason", required=True, help="stays in the record; do not name the person")
        parser.add_argument(
            "--batch-files",
            action="store_true",
            help="delete the files of batches that had such rows, with their other rows",
        )

    def handle(self, *, reference: str, reason: str, batch_files: bool, **options: Any) -> None:
        try:
            record = erase(
                reference=reference, reason=reason, actor="the command line", batch_files=batch_files
            )
        except ProblemError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"erased {record.predictions:,} predictions and {record.feedback:,} true labels")
        if record.batches and not record.files_removed:
            listed = ", ".join(map(str, record.batches))
            self.stdout.write(f"the files of these batches still have such rows: {listed}")
