"""`manage.py doctor`: a check-up of the site that says what to do."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clfsite.operations import doctor


class Command(BaseCommand):
    help = (
        "Check settings, database, queue, folders, space, schema, clock, workers and keys, and say what to do. "
        "Exits with status 1 if something is wrong; a warning alone is 0."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object only")

    def handle(self, *, json: bool, **_: Any) -> None:
        findings = doctor.check_up()
        wrong = [item for item in findings if item.state == doctor.ERROR]
        if json:
            self.stdout.write(
                _as_json({"is_sound": not wrong, "findings": [item._asdict() for item in findings]})
            )
        else:
            for item in findings:
                self.stdout.write(f"{item.state:<8} {item.part:<9} {item.found}")
                if item.advice:
                    self.stdout.write(f"{'':<18} {item.advice}")
        if wrong:
            raise CommandError(f"{len(wrong)} of {len(findings)} findings are errors")


def _as_json(value: dict[str, Any]) -> str:
    return json.dumps(value)
