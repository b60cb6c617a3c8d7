"""`manage.py setup_demo`: create the demo of `make run` once."""

import json
import secrets
from argparse import ArgumentParser
from pathlib import Path

from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from clfsite.core.errors import ProblemError
from clfsite.management import demo
from predictions.keys import service as keys
from training.ml.search.families import FAMILIES
from training.ml.search.recipe import Recipe

DEFAULT = Recipe().estimator


class Command(BaseCommand):
    help = (
        "Apply the migrations, train and activate the demo classifier, create a staff login and an API key, and print both once. "
        "DEMO_PASSWORD and DEMO_API_KEY choose them. If run again, it keeps what exists."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--table", type=Path, default=demo.TABLE, help="default: the demo table")
        parser.add_argument("--target", default="churn", help="default: %(default)s")
        parser.add_argument(
            "--estimator",
            default=DEFAULT,
            choices=FAMILIES,
            help="estimator to train; default: %(default)s",
        )

    def handle(self, *, table: Path, target: str, estimator: str, **_options: object) -> None:
        if not demo.is_migrated():
            call_command("migrate", verbosity=0)
        if not demo.is_trained(table):
            self.stderr.write(f"Training the demo classifier on {table.name} (seconds on two cores):")
            call_command(
                "train",
                str(table),
                target=target,
                estimator=estimator,
                space=json.dumps(demo.SPACE) if (table, estimator) == (demo.TABLE, DEFAULT) else None,
                activate=True,
                stdout=self.stdout,
                stderr=self.stderr,
            )
        try:
            lines = [self._login(), self._key()]
        except ProblemError as error:
            raise CommandError(f"DEMO_API_KEY: {error}") from error
        for line in filter(None, lines):
            self.stdout.write(line)

    def _login(self) -> str:
        if demo.has_login():
            return ""
        user, _ = User.objects.get_or_create(
            username=demo.LOGIN, defaults={"is_staff": True, "is_superuser": True}
        )
        chosen = demo.password() or secrets.token_urlsafe(12)
        user.set_password(chosen)
        user.save()
        shown = "as given in DEMO_PASSWORD" if demo.password() else f"{chosen}   (shown once)"
        return f"Staff login:  {demo.LOGIN}\nPassword:     {shown}"

    def _key(self) -> str:
        if demo.has_key():
            return ""
        _, made = keys.create(name=demo.KEY_NAME, scopes=demo.KEY_SCOPES, secret=demo.key())
        return f"API key:      {'as given in DEMO_API_KEY' if demo.key() else f'{made}   (shown once)'}"
