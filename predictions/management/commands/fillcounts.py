"""`manage.py fillcounts`: count predictions by bin that were logged before monitoring counted them."""

import time
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from predictions.monitoring.filling import fill
from training.models import Classifier, Version

# seconds between two lines of progress
PAUSE = 5.0


class Command(BaseCommand):
    help = (
        "Fill in the counts by bin of predictions that were logged before monitoring counted them, by version, the newest "
        "hours first. It may be interrupted and started again at any time, also while the site serves."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--classifier", default="", metavar="NAME", help="default: all")

    def handle(self, *, classifier: str, **_: object) -> None:
        if classifier and not Classifier.objects.filter(name=classifier).exists():
            raise CommandError(f"there is no classifier {classifier!r}")
        versions = Version.objects.select_related("classifier", "run__dataset").order_by("-pk")
        if classifier:
            versions = versions.filter(classifier__name=classifier)
        for version in versions:
            self._fill(version)

    def _fill(self, version: Version) -> None:
        shown_at, filled = time.monotonic(), None
        for filled in fill(version):
            if time.monotonic() - shown_at >= PAUSE:
                shown_at = time.monotonic()
                self.stderr.write(f"{version}: {filled.hours:,} of {filled.of:,} hours")
        if filled:
            self.stdout.write(f"{version}: {filled.predictions:,} predictions counted in {filled.of:,} hours")
        else:
            self.stdout.write(f"{version}: complete")
