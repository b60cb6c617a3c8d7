"""`manage.py createkey`: a key for a caller, printed once."""

from argparse import ArgumentParser
from datetime import timedelta

from django.core.management.base import BaseCommand, CommandError

from clfsite.permissions import SCOPES
from predictions import keys
from training.errors import Refused


class Command(BaseCommand):
    help = "Create an API key and print it. It is stored as a hash and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="who or what calls with it")
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=SCOPES,
            help="what it allows; repeat for more than one",
        )
        parser.add_argument(
            "--expires-days", type=int, metavar="N", help="stops working after N days; default: never"
        )

    def handle(self, *, name: str, scope: list[str], expires_days: int | None, **_options: object) -> None:
        if expires_days is not None and expires_days <= 0:
            raise CommandError(f"--expires-days is {expires_days}; expected a whole number above 0")
        try:
            _, key = keys.create(
                name=name, scopes=scope, expires_in=timedelta(days=expires_days) if expires_days else None
            )
        except Refused as error:
            raise CommandError(str(error)) from error
        self.stdout.write(key)
