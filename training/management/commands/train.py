"""`manage.py train`: from a CSV to a registered version on the terminal."""

import json
import time
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from training import services
from training.errors import Refused
from training.lifecycle import kept_alive
from training.ml.estimators import AUTO, FAMILIES
from training.ml.metrics import METRICS
from training.ml.recipe import SEARCHES, Recipe
from training.ml.scoring import Progress as Fits
from training.ml.threshold import Aim, AimError
from training.models import Run, Version


class Command(BaseCommand):
    help = "Train a classifier on a CSV file: search, cross-validate, judge on held-out rows, register a version."

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = Recipe()
        parser.add_argument("csv", type=Path, help="the table: CSV with a header line, UTF-8")
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
            default=default.search,
            metavar="NAME",
            help=f"{', '.join(SEARCHES)}; default: %(default)s",
        )
        parser.add_argument(
            "--scoring",
            default=default.scoring,
            help=f"what the search looks at: {', '.join(METRICS)} or a scikit-learn scorer; default: %(default)s",
        )
        parser.add_argument("--folds", type=int, default=default.folds, help="default: %(default)s")
        parser.add_argument("--seed", type=int, default=default.seed, help="default: %(default)s")
        parser.add_argument(
            "--jobs", type=int, default=-1, metavar="N", help="processes; default: one for each core"
        )
        parser.add_argument(
            "--space",
            metavar="JSON",
            help="values to try, such as '{\"max_depth\": [4, 8]}'; default: the estimator's own",
        )
        parser.add_argument(
            "--class-weight", metavar="balanced", help="weight classes against their frequency"
        )
        parser.add_argument(
            "--max-fits", type=int, metavar="N", help="end the search after N fits, with the best so far"
        )
        parser.add_argument(
            "--max-minutes", type=float, metavar="M", help="end it after M minutes, with the best so far"
        )
        parser.add_argument(
            "--aim",
            help="choose the threshold of two classes for f1, precision=P, recall=R or cost=C (a miss against a false alarm)",
        )
        parser.add_argument("--activate", action="store_true", help="let the new version answer at once")
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")

    def handle(self, *, csv: Path, target: str, **options: Any) -> None:
        recipe = _recipe(options)
        began = time.monotonic()
        try:
            run = self._request(csv, target, recipe, options)
            version = self._execute(run, options)
        except Refused as error:
            raise CommandError(str(error)) from error
        seconds = round(time.monotonic() - began, 2)
        if options["json"]:
            self.stdout.write(json.dumps(outcome(version, seconds)))
        else:
            self._print(version, seconds, active=options["activate"])

    def _request(self, csv: Path, target: str, recipe: Recipe, options: dict[str, Any]) -> Run:
        name = options["classifier"] or csv.stem
        try:
            with csv.open("rb") as file:
                dataset = services.import_dataset(name=name, target=target, source=file)
        except OSError as error:
            raise CommandError(f"cannot read {csv}: {error.strerror}") from error
        return services.request_run(
            dataset=dataset, recipe=recipe, classifier=name, activate=options["activate"], queued=False
        )

    def _execute(self, run: Run, options: dict[str, Any]) -> Version:
        console = Console(stderr=True)
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("fits, best fold {task.fields[best]}"),
            TimeElapsedColumn(),
            console=console,
            disable=options["json"] or not console.is_terminal,
        )
        quarters = 0
        with bar:
            task = bar.add_task(
                f"{run.classifier}: {run.recipe.search} search", total=run.recipe.fits, best="-"
            )

            def report(progress: Fits) -> None:
                nonlocal quarters
                best = "-" if progress.best is None else f"{progress.best:.4f}"
                bar.update(task, completed=progress.done, total=progress.total, best=best)
                if (
                    not console.is_terminal
                    and not options["json"]
                    and 4 * progress.done // progress.total > quarters
                ):
                    quarters = 4 * progress.done // progress.total
                    console.print(
                        f"{run.classifier}: {progress.done} of {progress.total} fits, best fold {best}"
                    )

            if not run.start():
                raise CommandError(f"run {run.pk} was taken by another process")
            with kept_alive(run):
                version = services.execute_run(run, jobs=options["jobs"], report=report)
        if version is None:
            run.refresh_from_db()
            raise CommandError(run.error or f"run {run.pk} was ended by another process")
        return version

    def _print(self, version: Version, seconds: float, *, active: bool) -> None:
        console = Console(file=cast(IO[str], self.stdout), markup=False, highlight=False)
        title = f"{version}: {version.family}, {version.params}"
        metrics = Table("metric", "cross-validation", "held out", title=title, title_justify="left")
        for name in METRICS:
            fold = version.cross_validation[name]
            metrics.add_row(name, f"{fold['mean']:.4f} +- {fold['std']:.4f}", f"{version.metrics[name]:.4f}")
        console.print(metrics)
        confusion = Table(
            "true \\ predicted", *version.contract.classes, title="held-out rows", title_justify="left"
        )
        for label, row in zip(version.contract.classes, version.held_out["confusion"], strict=True):
            confusion.add_row(label, *map(str, row))
        console.print(confusion)
        for column, reason in version.contract.left_out.items():
            console.print(f"left out {column}: {reason}")
        state = "active now" if active else "not active; add --activate, or activate it in the portal"
        console.print(f"{version} registered in {seconds:.1f} s, {state}")


def _recipe(options: dict[str, Any]) -> Recipe:
    """The recipe that the options describe; the services check whether it fits.

    Raises:
        CommandError: an option cannot be read.
    """
    if options["jobs"] < -1 or options["jobs"] == 0:
        raise CommandError(
            f"--jobs is {options['jobs']}; expected a number of processes, or -1 for one each core"
        )
    try:
        space = json.loads(options["space"]) if options["space"] else None
        aim = asdict(Aim.parse(options["aim"])) if options["aim"] else None
    except json.JSONDecodeError as error:
        raise CommandError(f"--space is not JSON: {error}") from error
    except AimError as error:
        raise CommandError(f"--aim: {error}") from error
    names = ("estimator", "search", "scoring", "folds", "seed", "class_weight", "max_fits", "max_minutes")
    return Recipe(space=space, aim=aim, **{name: options[name] for name in names})


def outcome(version: Version, seconds: float) -> dict[str, Any]:
    """What `--json` prints: run, version, metrics, seconds and where the artifacts are."""
    return {
        "run": version.run_id,
        "classifier": version.classifier.name,
        "version": version.number,
        "active": version.is_active,
        "family": version.family,
        "params": version.params,
        "cross_validation": version.cross_validation,
        "held_out": version.metrics,
        "confusion": version.held_out["confusion"],
        "classes": list(version.contract.classes),
        "seconds": seconds,
        "artifacts": {
            part: services.artifact_path(entry["name"]) for part, entry in version.artifacts.items()
        },
    }
