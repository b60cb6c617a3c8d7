"""`manage.py setup_demo`: what `make run` needs for a first look, made once."""

import os
import secrets
from argparse import ArgumentParser
from pathlib import Path

from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from clfsite import env
from clfsite.core.errors import Refused
from predictions.keys import service as keys
from predictions.models import ApiKey
from training.ml.search.estimators import FAMILIES
from training.ml.search.recipe import Recipe
from training.models import Classifier

LOGIN = "demo"
KEY_NAME = "demo"
KEY_SCOPES = ("predict", "read", "feedback")


class Command(BaseCommand):
    help = (
        "Apply the migrations, train and activate the demo classifier, create a staff login and an API key, and print both once. "
        "DEMO_PASSWORD and DEMO_API_KEY choose them. Run again, it leaves what is there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--table", type=Path, default=env.BASE_DIR / "data" / "churn.csv", help="default: the demo table"
        )
        parser.add_argument("--target", default="churn", help="default: %(default)s")
        parser.add_argument(
            "--estimator",
            default=Recipe().estimator,
            choices=FAMILIES,
            help="what to train; default: %(default)s",
        )

    def handle(self, *, table: Path, target: str, estimator: str, **_options: object) -> None:
        call_command("migrate", verbosity=0)
        password, key = os.environ.get("DEMO_PASSWORD", ""), os.environ.get("DEMO_API_KEY", "")
        classifier = Classifier.objects.filter(name=table.stem).first()
        if classifier is None or classifier.activation is None:
            self.stderr.write(f"Training the demo classifier on {table.name} (under a minute on two cores):")
            call_command(
                "train",
                str(table),
                target=target,
                estimator=estimator,
                activate=True,
                stdout=self.stdout,
                stderr=self.stderr,
            )
        try:
            lines = [self._login(password), self._key(key)]
        except Refused as error:
            raise CommandError(f"DEMO_API_KEY: {error}") from error
        for line in filter(None, lines):
            self.stdout.write(line)

    def _login(self, password: str) -> str:
        user, created = User.objects.get_or_create(
            username=LOGIN, defaults={"is_staff": True, "is_superuser": True}
        )
        if not created and (not password or user.check_password(password)):
            return ""
        chosen = password or secrets.token_urlsafe(12)
        user.set_password(chosen)
        user.save()
        shown = "as given in DEMO_PASSWORD" if password else f"{chosen}   (shown once)"
        return f"Staff login:  {LOGIN}\nPassword:     {shown}"

    def _key(self, key: str) -> str:
        if key and keys.exists(key):
            return ""
        if not key and ApiKey.objects.filter(name=KEY_NAME).exists():
            return ""
        _, made = keys.create(name=KEY_NAME, scopes=KEY_SCOPES, secret=key)
        return f"API key:      {'as given in DEMO_API_KEY' if key else f'{made}   (shown once)'}"
