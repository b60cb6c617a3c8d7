"""What a worker starts for every run; a person uses `train`."""

import signal
from argparse import ArgumentParser
from types import FrameType
from typing import NoReturn

from django.core.management.base import BaseCommand

from training.models import Run
from training.services import execute_run


class Stopped(Exception):
    """The process was told to end; the run fails with this as its reason."""


class Command(BaseCommand):
    help = "Train one queued run in this process. Workers call it; to train by hand use `train`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int, help="the run's number")

    def handle(self, *, run: int, **_options: object) -> None:
        signal.signal(signal.SIGTERM, _stop)
        execute_run(Run.objects.select_related("classifier", "dataset", "created_by").get(pk=run))


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped("the worker was shut down before the run ended; start it again")
