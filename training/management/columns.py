"""Shared parts of `train` and `importdataset`: options for columns, and the display of a contract."""

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, OutputWrapper
from rich.console import Console
from rich.table import Column, Table

from clfsite.core.errors import ProblemError
from training.datasets.service import import_dataset
from training.ml.tables.contract import Contract, Feature
from training.ml.tables.corrections import Choice, Corrections, Spellings
from training.ml.tables.digits import apart
from training.models import Dataset

# warnings that are printed; a table may have thousands of columns with one each
SHOWN_WARNINGS = 20
# categories of a column that are printed
SHOWN_CATEGORIES = 6
OPTIONS = {
    Choice.LEAVE_OUT: "leave out this column; repeat for several columns, as for the next three options",
    Choice.TAKE_IN: "include this column although it would be left out",
    Choice.NUMBER: "use this column as a number; all values must be numbers",
    Choice.CATEGORY: "use this column as a category, for example for codes; its values are kept as text",
}


def add_options(parser: ArgumentParser, choices: Iterable[Choice]) -> None:
    """Add the options that correct columns."""
    for choice in choices:
        parser.add_argument(
            f"--{_option(choice)}",
            dest=choice.value,
            action="append",
            default=[],
            metavar="COLUMN",
            help=OPTIONS[choice],
        )


def add_spellings(parser: ArgumentParser) -> None:
    """Add the options that merge or keep similar labels."""
    spellings = parser.add_mutually_exclusive_group()
    spellings.add_argument(
        "--merge-labels",
        dest="labels",
        action="store_const",
        const=Spellings.MERGE,
        help="merge similar labels, such as Yes and yes or 1 and 01, into one class with the most frequent "
        "spelling",
    )
    spellings.add_argument(
        "--keep-labels",
        dest="labels",
        action="store_const",
        const=Spellings.KEEP,
        help="keep similar labels as different classes",
    )


def read_options(options: Mapping[str, Any], *, strict: bool) -> Corrections:
    """Return the corrections of the options.

    Raises:
        CommandError: two options name the same column.
    """
    columns: dict[str, Choice] = {}
    for choice in OPTIONS:
        for name in options[choice.value]:
            if columns.setdefault(name, choice) is not choice:
                raise CommandError(
                    f'--{_option(columns[name])} and --{_option(choice)} both name "{name}"; choose one of them'
                )
    return Corrections(columns, strict, options["labels"])


def _option(choice: Choice) -> str:
    return choice.value.replace("_", "-")


def import_csv(csv: Path, *, name: str, target: str, categories: Iterable[str]) -> Dataset:
    """Store a file as a dataset.

    Raises:
        CommandError: the file cannot be read or used; the message has one line.
    """
    try:
        with csv.open("rb") as file:
            return import_dataset(name=name, target=target, source=file, categories=list(categories))
    except OSError as error:
        raise CommandError(f"cannot read {csv}: {error.strerror}") from error
    except ProblemError as error:
        raise CommandError(str(error)) from error


def show_warnings(warnings: list[dict[str, str]], stream: OutputWrapper) -> None:
    """Write the first warnings, one per line."""
    for warning in warnings[:SHOWN_WARNINGS]:
        stream.write(f"warning: {warning['column']}: {warning['message']}")
    if len(warnings) > SHOWN_WARNINGS:
        stream.write(
            f"warning: {len(warnings) - SHOWN_WARNINGS:,} more; use --json or the dataset's page to see all"
        )


def describe_positive(label: str) -> str:
    """Return a line about the positive class of two."""
    return (
        f"positive class: {label}. Precision, recall, aim and threshold refer to it; choose the other class "
        "with --positive"
    )


def show_contract(contract: Contract, title: str, console: Console) -> None:
    """Print the inputs of a classifier, and the columns that are left out."""
    # Long names are wrapped instead of cut, because they are copied into options.
    columns = [Column(name, overflow="fold") for name in ("input", "kind", "values", "missing", "default")]
    inputs = Table(*columns, title=title, title_justify="left")
    for feature in contract.features:
        missing = "accepted" if feature.missing else "refused"
        inputs.add_row(feature.name, feature.kind, _values(feature), missing, str(feature.default))
    console.print(inputs)
    show_left_out(contract, console)


def show_left_out(contract: Contract, console: Console) -> None:
    """Print the columns that are left out, with the reasons."""
    for column, reason in contract.left_out.items():
        console.print(f"left out {column}: {reason}")


def _values(feature: Feature) -> str:
    if feature.low is not None and feature.high is not None:
        return " to ".join(apart(feature.low, feature.high))
    if not feature.categories:
        return "true, false"
    more = len(feature.categories) - SHOWN_CATEGORIES
    return ", ".join(feature.categories[:SHOWN_CATEGORIES]) + (f" and {more:,} more" if more > 0 else "")
