"""`manage.py createkey`: a key for a caller, printed once."""

from argparse import ArgumentParser
from datetime import timedelta

from django.core.management.base import BaseCommand, CommandError

from clfsite.core.api.permissions import SCOPES
from clfsite.core.errors import ProblemError
from predictions.keys import service as keys


class Command(BaseCommand):
    help = "Create an API key and print it. It is stored as a hash and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the person or program that uses the key")
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=SCOPES,
            help="scope of the key; repeat for several scopes",
        )
        parser.add_argument(
            "--expires", type=int, metavar="DAYS", help="days until the key expires; default: never"
        )
        parser.add_argument(
            "--rate",
            type=int,
            metavar="N",
            help="calls per minute, 0 for no limit; default: CLFSITE_KEY_RATE",
        )

    def handle(
        self, *, name: str, scope: list[str], expires: int | None, rate: int | None, **_options: object
    ) -> None:
        try:
            life = None if expires is None else timedelta(days=expires)
            _, key = keys.create(name=name, scopes=scope, expires_in=life, rate=rate)
        except OverflowError as error:
            raise CommandError(f"--expires is {expires}; expected fewer days") from error
        except ProblemError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(key)
