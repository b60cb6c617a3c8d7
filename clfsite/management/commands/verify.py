"""`manage.py verify`: compare all files that the database refers to with their SHA-256."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clfsite.core.jobs import site
from clfsite.operations.known_files import verify


class Command(BaseCommand):
    help = (
        "Read every file that the database refers to and compare its SHA-256. Exits with status 1 if a file "
        "is missing or changed. Files without a row in the database are listed and harmless."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object only")

    def handle(self, *, json: bool, **_: Any) -> None:
        if problem := site.foreign_folder():
            raise CommandError(problem)
        findings = verify()
        if json:
            self.stdout.write(_as_json({**asdict(findings), "is_sound": findings.is_sound}))
        else:
            for title, places in (
                ("missing", findings.missing),
                ("changed", findings.changed),
                ("no row refers to it", findings.orphans),
            ):
                for place in places:
                    self.stdout.write(f"{title}: {place}")
            self.stdout.write(f"{findings.checked:,} files checked")
        if not findings.is_sound:
            count = len(findings.missing) + len(findings.changed)
            raise CommandError(f"{count} files are missing or changed; restore them from a backup")


def _as_json(value: dict[str, Any]) -> str:
    return json.dumps(value)
