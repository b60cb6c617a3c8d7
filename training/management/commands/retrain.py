"""`manage.py retrain`: train with the recipe of a version on newer data."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clfsite.core.errors import NotFound, ProblemError
from training.management import columns, terminal
from training.models import Classifier, Dataset, Version
from training.runs.service import request_retrain


class Command(BaseCommand):
    help = (
        "Train the next version of a classifier by the recipe of an earlier one, on the newest dataset of the same name "
        "and target."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # --version is the version of the classifier here, not of Django
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("classifier", help="its name")
        parser.add_argument(
            "--version",
            type=int,
            metavar="N",
            help="version whose recipe is used; default: the active version, or the newest if none is active",
        )
        parser.add_argument(
            "--dataset-version",
            type=int,
            metavar="N",
            help="version of the dataset; default: the newest",
        )
        terminal.add_arguments(parser)

    def handle(self, *, classifier: str, version: int | None, **options: Any) -> None:
        began = time.monotonic()
        try:
            trained = _version(classifier, version)
            number = options["dataset_version"]
            run = request_retrain(
                version=trained,
                dataset=None if number is None else _dataset(trained.run.dataset.name, number),
                activate=options["activate"],
                queued=False,
            )
            if not options["json"]:
                columns.show_warnings(run.data_warnings, self.stderr)
            made = terminal.execute(run, jobs=options["jobs"], quiet=options["json"])
        except ProblemError as error:
            raise CommandError(str(error)) from error
        terminal.show(made, time.monotonic() - began, self.stdout, as_json=options["json"])


def _version(name: str, number: int | None) -> Version:
    """Return the version with this number; without a number, the active one, or the newest if none is active."""
    classifier = Classifier.objects.filter(name=name).first()
    if classifier is None:
        names = ", ".join(Classifier.objects.values_list("name", flat=True)[:20])
        raise NotFound(f"there is no classifier {name!r}; available: {names or 'none, train one first'}")
    versions = Version.objects.filter(classifier=classifier).select_related("classifier", "run__dataset")
    active = classifier.activation
    wanted = number if number is not None or active is None else active.version.number
    version = versions.first() if wanted is None else versions.filter(number=wanted).first()
    if version is None:
        numbers = ", ".join(map(str, versions.values_list("number", flat=True)[:20]))
        raise NotFound(
            f"there is no version {wanted} of {name}; available: {numbers}"
            if numbers
            else f"{name} has no version yet; train one first"
        )
    return version


def _dataset(name: str, number: int) -> Dataset:
    dataset = Dataset.objects.filter(name=name, number=number).first()
    if dataset is None:
        numbers = ", ".join(map(str, Dataset.objects.filter(name=name).values_list("number", flat=True)[:20]))
        raise NotFound(f"there is no version {number} of the dataset {name}; available: {numbers}")
    return dataset
