"""`manage.py createstaff`: create a login for the portal with roles; the password is printed once."""

import secrets
from argparse import ArgumentParser

from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from predictions.roles import ROLES


class Command(BaseCommand):
    help = (
        "Create a staff login with roles and print its password, which is stored as a hash and cannot be shown again. "
        "The person changes it on the profile page."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="login name")
        titles = "; ".join(f"{role}: {what}" for role, what in ROLES.items())
        parser.add_argument(
            "--role",
            action="append",
            required=True,
            choices=list(ROLES),
            help=f"repeat for several. {titles}",
        )

    def handle(self, *, name: str, role: list[str], **_options: object) -> None:
        groups = list(Group.objects.filter(name__in=role))
        missing = sorted(set(role) - {group.name for group in groups})
        if missing:
            raise CommandError(f"there is no group {', '.join(missing)}; run manage.py migrate")
        password = secrets.token_urlsafe(12)
        person = User(username=name, is_staff=True)
        person.set_password(password)
        try:
            person.full_clean()
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        with transaction.atomic():
            person.save()
            person.groups.set(groups)
        # only the password goes to standard output, where scripts read it
        self.stderr.write(f"The login {name} may log in with this password, which is shown only now:")
        self.stdout.write(password)
