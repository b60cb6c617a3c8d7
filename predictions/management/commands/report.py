"""`manage.py report`: write the report on a version as HTML and PDF."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from predictions.report import render
from predictions.report.render import Format
from training.models import Classifier, Version

BOTH = "both"


class Command(BaseCommand):
    help = (
        "Write the report on a version (data, training, evaluation, threshold, serving and monitoring) from "
        "the database, as a self-contained HTML page and as a PDF."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # --version is the version of the classifier here, not of Django
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--classifier", default="", metavar="NAME", help="default: the site's default")
        parser.add_argument(
            "--version",
            dest="number",
            type=int,
            metavar="N",
            help="default: the active version, or the newest if none is active",
        )
        parser.add_argument("--output", type=Path, default=Path(), metavar="DIR", help="default: this folder")
        parser.add_argument(
            "--format", default=BOTH, choices=[*Format, BOTH], help="what to write; default: %(default)s"
        )

    def handle(
        self, *, classifier: str, number: int | None, output: Path, format: str, **_options: object
    ) -> None:
        version = _version(_classifier(classifier), number)
        made = render.report(version)
        try:
            output.mkdir(parents=True, exist_ok=True)
            for form in Format:
                if format in {form, BOTH}:
                    path = output / render.file_name(version, form)
                    path.write_bytes(render.render(made, form))
                    self.stdout.write(str(path))
        except OSError as error:
            raise CommandError(f"cannot write to {output}: {error.strerror}") from error


def _classifier(name: str) -> Classifier:
    names = list(Classifier.objects.values_list("name", flat=True))
    if not names:
        raise CommandError("no classifier found; train one with manage.py train")
    classifiers = Classifier.objects.filter(name=name) if name else Classifier.objects.filter(is_default=True)
    first = classifiers.first()
    if first is None and name:
        raise CommandError(f"there is no classifier {name!r}; choose from {', '.join(names)}")
    if first is None:
        raise CommandError(f"no classifier is the default; name one with --classifier: {', '.join(names)}")
    return first


def _version(classifier: Classifier, number: int | None) -> Version:
    versions = classifier.versions.select_related("classifier", "run__dataset", "run__created_by")
    activation = classifier.activation
    if number is None and activation:
        number = activation.version.number
    version = (
        versions.order_by("-number").first() if number is None else versions.filter(number=number).first()
    )
    if version is None:
        numbers = classifier.versions.order_by("number").values_list("number", flat=True)
        there = ", ".join(map(str, numbers)) or "none; train one with manage.py train"
        raise CommandError(
            f"{classifier} has no version{'' if number is None else f' {number}'}; there are: {there}"
        )
    return version
