"""`manage.py monitor`: evaluate and inspect the active versions now, as workers do every hour and every six hours."""

from argparse import ArgumentParser

import orjson
from django.core.management.base import BaseCommand, CommandError

from clfsite.core.errors import ProblemError
from predictions.alerts import rules
from predictions.monitoring.evaluation import advice, service
from predictions.monitoring.evaluation.evaluate import evaluate
from predictions.monitoring.inspection.service import inspect

DAYS = 7


class Command(BaseCommand):
    help = "Compare the predictions of active versions with training, open and close their alerts, and print what needs attention."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--classifier", default="", metavar="NAME", help="default: all")
        parser.add_argument("--days", type=int, default=DAYS, metavar="N", help=f"default: {DAYS}")
        parser.add_argument("--json", action="store_true", help="print one JSON object per classifier")

    def handle(self, *, classifier: str, days: int, json: bool, **_options: object) -> None:
        if not 1 <= days <= service.MOST_DAYS:
            raise CommandError(f"--days is {days}; expected 1 to {service.MOST_DAYS}")
        for name in [classifier] if classifier else service.watched():
            try:
                version = service.active(name)
            except ProblemError as error:
                raise CommandError(str(error)) from error
            inspect(version)
            rules.look_at(version)
            evaluation = evaluate(version, days=days)
            if json:
                self.stdout.write(orjson.dumps(service.as_json(version, evaluation)).decode())
                continue
            self.stdout.write(f"{evaluation.status}: {advice.verdict(evaluation)}")
            for finding in advice.findings(evaluation):
                self.stdout.write(f"  {finding.title}. {finding.text} {finding.action}")
