"""A run in the terminal: its execution in this process, its progress, and the display of its version."""

import json
import time
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import IO, Any, cast

from django.core.management.base import CommandError, OutputWrapper
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from clfsite.core.jobs.worker import kept_alive
from clfsite.core.web.numbers import duration
from training.management import columns
from training.ml.judge.names import METRICS
from training.ml.progress import Phase, Progress
from training.ml.search.families import MIX
from training.models import Run, Version
from training.runs.execution import execute_run
from training.versions.service import artifact_path

# seconds after which a line of progress is written without a terminal; phases and quarters of them also write one
LINE_SECONDS = 60.0
# units of the phases that count; the others have a few steps of different length
UNITS = {Phase.SEARCH: "fits", Phase.IMPORTANCE: "inputs"}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of all commands that train."""
    parser.add_argument(
        "--jobs", type=processes, default=-1, metavar="N", help="number of processes; default: one per core"
    )
    parser.add_argument(
        "--activate", action="store_true", help="activate the new version when the run is done"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def processes(text: str) -> int:
    """Parse the value of `--jobs`."""
    jobs = int(text)
    if jobs < -1 or jobs == 0:
        raise CommandError(f"--jobs is {jobs}; expected a number of processes, or -1 for one per core")
    return jobs


class Watch:
    """The progress of a run on standard error: a bar in a terminal, lines elsewhere, nothing if `quiet`."""

    def __init__(self, run: Run, *, quiet: bool) -> None:
        self.run = run
        self.console = Console(stderr=True, markup=False, highlight=False)
        self.writes_lines = not quiet and not self.console.is_terminal
        self.quarters, self.written_at = 0, time.monotonic()
        self.phase: Phase | None = None
        # The time left is that of the run, as in portal and API. rich only considers the last 30 seconds, which
        # misleads if the fits of a search take longer in each round.
        self.bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            # rich's own column of time stops at the end of a phase
            TextColumn("{task.elapsed:.0f} s"),
            console=self.console,
            disable=quiet or not self.console.is_terminal,
        )
        self.task = self.bar.add_task(str(run.classifier), total=run.recipe.fits, status="")

    def report(self, progress: Progress) -> None:
        """Show the progress, which the run's row already has."""
        unit = UNITS.get(progress.phase, "")
        status = unit if progress.best is None else f"{unit}, best score so far {progress.best:.4f}"
        left = self.run.seconds_left
        if left is not None and progress.done < progress.total:
            status += f", about {duration(left)} left".replace("\u202f", " ")
        title = f"{self.run.classifier}: {progress.phase.words}"
        self.bar.update(
            self.task, description=title, completed=progress.done, total=progress.total, status=status
        )
        if progress.phase != self.phase:
            self.phase, self.quarters = progress.phase, 0
            self._write(f"{title} ({progress.phase.number} of {len(Phase)})")
            return
        quarters = 4 * progress.done // max(progress.total, 1)
        waited = time.monotonic() - self.written_at
        if unit and (quarters > self.quarters or waited > LINE_SECONDS):
            self.quarters = quarters
            self._write(f"{self.run.classifier}: {progress.done} of {progress.total} {status}")

    def _write(self, line: str) -> None:
        if self.writes_lines:
            self.written_at = time.monotonic()
            self.console.print(line, soft_wrap=True)


def execute(run: Run, *, jobs: int, quiet: bool, began: float | None = None) -> Version:
    """Execute a run in this process.

    Args:
        began: the monotonic time at which a budget of the whole run began; None for now.

    Raises:
        CommandError: the run failed, with its reason, or belongs to another process.
    """
    watch = Watch(run, quiet=quiet)
    with watch.bar:
        if not run.start():
            raise CommandError(f"run {run.pk} was claimed by another process")
        with kept_alive(run):
            version = execute_run(run, jobs=jobs, began=began, report=watch.report)
    if version is None:
        run.refresh_from_db()
        raise CommandError(run.error or f"run {run.pk} was ended by another process")
    return version


def show(version: Version, seconds: float, stdout: OutputWrapper, *, as_json: bool) -> None:
    """Print the version of a run, as tables or as one JSON object."""
    if as_json:
        stdout.write(json.dumps(outcome(version, round(seconds, 2))))
        return
    console = Console(file=cast(IO[str], stdout), markup=False, highlight=False)
    console.print(f"{version}: {_in_words(version.family, version.params)}")
    if version.contract.positive is not None:
        console.print(
            f"positive class {version.contract.positive}, predicted from a probability of {version.threshold!r}"
        )
    metrics = Table("metric", "cross-validation", "held out")
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
    columns.show_left_out(version.contract, console)
    state = "active now" if version.is_active else "not active; add --activate, or activate it in the portal"
    console.print(f"{version} registered in {seconds:.1f} s, {state}")


def _in_words(family: str, params: Mapping[str, Any]) -> str:
    """Return an estimator and its settings in one line, or the members of a mix with their weights, a line each."""
    if family == MIX:
        lines = (
            f"  {member['weight']:.0%} {_in_words(member['family'], member['params'])}"
            for member in params["members"]
        )
        return "\n".join(["mix of models", *lines])
    return ", ".join([family, *(f"{name} = {value}" for name, value in params.items())])


def outcome(version: Version, seconds: float) -> dict[str, Any]:
    """Return the output of `--json`: run, version, metrics, seconds and the paths of the artifacts."""
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
        "positive": version.contract.positive,
        "threshold": version.threshold,
        "calibration": {
            name: value
            for name, value in version.out_of_fold.get("calibration", {}).items()
            if name != "curves"
        },
        "corrections": version.run.corrections.to_dict(),
        "warnings": version.run.data_warnings,
        "seconds": seconds,
        "artifacts": {part: artifact_path(entry["name"]) for part, entry in version.artifacts.items()},
    }
