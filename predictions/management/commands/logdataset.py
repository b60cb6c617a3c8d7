"""`manage.py logdataset`: make a dataset from judged predictions."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from clfsite.core.errors import ProblemError
from clfsite.core.requests.moments import read_moment
from predictions.retraining.service import dataset_from_log
from training.models import Classifier


class Command(BaseCommand):
    help = "Make the next version of a classifier's dataset from its judged predictions."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("classifier", help="its name")
        parser.add_argument("--since", required=True, help="a date or time in ISO 8601, inclusive")
        parser.add_argument("--until", default="", help="a date or time in ISO 8601, exclusive; default: now")
        parser.add_argument("--alone", action="store_true", help="without the rows of the old table")

    def handle(self, *, classifier: str, since: str, until: str, alone: bool, **options: Any) -> None:
        owner = Classifier.objects.filter(name=classifier).first()
        if owner is None:
            raise CommandError(f"there is no classifier {classifier!r}")
        try:
            dataset = dataset_from_log(
                classifier=owner,
                since=read_moment(since),
                until=read_moment(until) if until else timezone.now(),
                with_table=not alone,
            )
        except (ProblemError, ValueError) as error:
            raise CommandError(str(error)) from error
        judged = dataset.origin["log"]["rows"]
        self.stdout.write(f"{dataset}: {dataset.rows:,} rows, {judged:,} of them judged predictions")
