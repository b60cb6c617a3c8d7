"""`manage.py execute_run`: execute a run that a worker has claimed. People use `train` instead."""

import resource
from argparse import ArgumentParser
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from clfsite.core.jobs.processes import die_with_parent
from training.models import Run
from training.runs.execution import execute_run


class Command(BaseCommand):
    help = (
        "Execute a run that a worker has claimed. Workers call this command; to train manually, use `train`."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int, help="the run's number")
        parser.add_argument("claim", type=UUID, help="the token of the worker's claim")

    def handle(self, *, run: int, claim: UUID, **_options: object) -> None:
        die_with_parent()
        if settings.CLFSITE_RUN_MEMORY_BYTES:
            # Parallel processes of the search inherit the limit, and each has it for itself.
            resource.setrlimit(resource.RLIMIT_DATA, (settings.CLFSITE_RUN_MEMORY_BYTES,) * 2)
        claimed = Run.objects.select_related("classifier", "dataset", "created_by").filter(
            pk=run, claim=claim
        )
        row = claimed.filter(state=Run.State.RUNNING).first()
        if row is None:
            raise CommandError(f"run {run} is not claimed with this token; to train manually, use `train`")
        execute_run(row)
