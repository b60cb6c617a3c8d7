"""`manage.py train`: train a version from a CSV file in the terminal."""

import json
import time
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clfsite.core.errors import ProblemError
from training.management import columns, terminal
from training.ml.judge.aim import Aim, AimError
from training.ml.judge.names import METRICS
from training.ml.search.families import AUTO, FAMILIES
from training.ml.search.recipe import PORTFOLIO, PORTFOLIO_MINUTES, SEARCHES, Recipe
from training.ml.tables.corrections import Corrections
from training.models import Run
from training.runs.service import request_run


class Command(BaseCommand):
    help = "Train a classifier on a table: search, cross-validate, evaluate on held-out rows, register a version."

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = Recipe()
        parser.add_argument(
            "csv",
            type=Path,
            help="the table with a header line: CSV in any notation, .xlsx, .xls, .ods, .parquet, also with .gz",
        )
        parser.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
        parser.add_argument("--classifier", default="", metavar="NAME", help="default: the file's name")
        parser.add_argument(
            "--estimator",
            default=default.estimator,
            metavar="NAME",
            help=f"{', '.join((*FAMILIES, AUTO))}; default: %(default)s",
        )
        parser.add_argument(
            "--search",
            default="",
            metavar="NAME",
            help=f"{', '.join(SEARCHES)}; default: {PORTFOLIO} for {AUTO} without --space, otherwise {default.search}",
        )
        parser.add_argument(
            "--scoring",
            default=default.scoring,
            help=f"metric that the search optimizes: {', '.join(METRICS)} or a scikit-learn scorer; default: "
            "%(default)s",
        )
        parser.add_argument("--folds", type=int, default=default.folds, help="default: %(default)s")
        parser.add_argument("--seed", type=int, default=default.seed, help="default: %(default)s")
        parser.add_argument(
            "--space",
            metavar="JSON",
            help="values to try, such as '{\"max_depth\": [4, 8]}'; default: the estimator's own",
        )
        parser.add_argument(
            "--class-weight", metavar="balanced", help="weight classes inversely to their frequency"
        )
        parser.add_argument(
            "--max-fits",
            type=int,
            metavar="N",
            help="stop the search after N fits and keep the best model so far",
        )
        parser.add_argument(
            "--max-minutes",
            type=float,
            metavar="M",
            help="stop the search after M minutes and keep the best model so far; with the search portfolio, the whole "
            f"training takes M minutes, {PORTFOLIO_MINUTES:g} by default",
        )
        parser.add_argument(
            "--aim",
            help="choose the threshold of two classes for f1, precision=P, recall=R or cost=C (cost of a "
            "miss relative to a false alarm); JSON as in a run's recipe is accepted, too",
        )
        parser.add_argument(
            "--positive",
            metavar="LABEL",
            help="positive class of two, to which precision, recall, --aim and the threshold refer; default: "
            "yes for yes/no labels, otherwise the rarer class",
        )
        parser.add_argument(
            "--group",
            metavar="COLUMN",
            help="keep the rows with the same value of this column, such as a customer's number, on one side of every "
            "split; it is no input unless --take-in, --number or --category names it",
        )
        parser.add_argument(
            "--time",
            metavar="COLUMN",
            help="hold out the newest fifth by this column of dates or numbers, with blocks of time as folds; not with --group",
        )
        columns.add_options(parser, columns.OPTIONS)
        columns.add_spellings(parser)
        columns.add_date_parts(parser)
        columns.add_protected(parser)
        columns.add_reading(parser)
        parser.add_argument(
            "--strict",
            action="store_true",
            help="refuse values outside the training data, instead of answering with a warning",
        )
        terminal.add_arguments(parser)

    def handle(self, *, csv: Path, target: str, **options: Any) -> None:
        recipe = _recipe(options)
        corrections = columns.read_options(options, strict=options["strict"])
        began = time.monotonic()
        try:
            run = self._request(csv, target, recipe, corrections, options)
            version = terminal.execute(run, jobs=options["jobs"], quiet=options["json"], began=began)
        except ProblemError as error:
            raise CommandError(str(error)) from error
        terminal.show(version, time.monotonic() - began, self.stdout, as_json=options["json"])

    def _request(
        self, csv: Path, target: str, recipe: Recipe, corrections: Corrections, options: dict[str, Any]
    ) -> Run:
        name = options["classifier"] or columns.plain_stem(csv)
        dataset = columns.import_file(
            csv,
            name=name,
            target=target,
            categories=corrections.codes,
            options=columns.reading_of(options),
        )
        run = request_run(
            dataset=dataset,
            recipe=recipe,
            corrections=corrections,
            classifier=name,
            activate=options["activate"],
            queued=False,
        )
        if not options["json"]:
            columns.show_reading(dataset.reading, self.stderr)
            columns.show_warnings(run.data_warnings, self.stderr)
            if run.recipe.positive is not None:
                self.stdout.write(columns.describe_positive(run.recipe.positive))
        return run


def _recipe(options: dict[str, Any]) -> Recipe:
    """Return the recipe of the options; the services check whether it fits the dataset.

    Raises:
        CommandError: an option cannot be read.
    """
    try:
        space = json.loads(options["space"]) if options["space"] else None
        aim = asdict(Aim.parse(options["aim"])) if options["aim"] else None
    except json.JSONDecodeError as error:
        raise CommandError(f"--space is not JSON: {error}") from error
    except AimError as error:
        raise CommandError(f"--aim: {error}") from error
    names = (
        "estimator",
        "search",
        "scoring",
        "folds",
        "seed",
        "class_weight",
        "max_fits",
        "max_minutes",
        "positive",
        "group",
        "time",
    )
    return Recipe(space=space, aim=aim, **{name: options[name] for name in names})
