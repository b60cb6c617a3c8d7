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
from training.ml.files.options import DATES, Options
from training.ml.files.reading import TableError
from training.ml.tables.contract import Contract, Feature, Kind
from training.ml.tables.corrections import Choice, Corrections, Spellings
from training.ml.tables.digits import exact
from training.models import Dataset

# warnings that are printed; a table may have thousands of columns with one each
SHOWN_WARNINGS = 20
# categories of a column that are printed
SHOWN_CATEGORIES = 6
READING = ("delimiter", "encoding", "decimal", "sheet", "missing", "keep", "dates")
OPTIONS = {
    Choice.LEAVE_OUT: "leave out this column; repeat for several columns, as for the next options",
    Choice.TAKE_IN: "include this column although it would be left out",
    Choice.NUMBER: "use this column as a number; all values must be numbers",
    Choice.CATEGORY: "use this column as a category, for example for codes; its values are kept as text",
    Choice.TEXT: "use the words of this column as inputs, such as those of comments",
    Choice.MERGE: "use this column as a category, and merge similar spellings such as Oslo, oslo and OSLO",
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


def add_reading(parser: ArgumentParser) -> None:
    """Add the options that say how the file is written, where it is not recognised."""
    group = parser.add_argument_group(
        "how the file is written", "Everything is recognised and stated; these options correct it."
    )
    group.add_argument("--delimiter", metavar="NAME", help="comma, semicolon, tab, pipe or blank")
    group.add_argument("--encoding", metavar="NAME", help="such as utf-8, cp1252 or utf-16")
    group.add_argument("--decimal", metavar="MARK", help="point or comma")
    group.add_argument("--sheet", metavar="NAME", help="sheet of a workbook, by name or number from 1")
    group.add_argument(
        "--missing",
        action="append",
        default=[],
        metavar="TEXT",
        help="a text that means a missing value, such as -999; repeat for several",
    )
    group.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="TEXT",
        help="a text such as NA that is a value; repeat for several",
    )
    group.add_argument(
        "--date",
        dest="dates",
        action="append",
        default=[],
        metavar="COLUMN=FORMAT",
        help=f"a column of dates: {', '.join(DATES)}, or a format such as '%%d %%b %%Y'; repeat for several",
    )


def reading_of(options: Mapping[str, Any]) -> Options:
    """Return how the file is written.

    Raises:
        CommandError: a value is not allowed.
    """
    try:
        return Options.of(**{name: options[name] for name in READING})
    except TableError as error:
        raise CommandError(str(error)) from error


def add_date_parts(parser: ArgumentParser) -> None:
    """Add the option that names the parts of one date."""
    parser.add_argument(
        "--date-parts",
        action="append",
        default=[],
        metavar="YEAR,MONTH,DAY[,HOUR]",
        help="columns that are the parts of one date, such as year,month,day: its weekday and the days since the last "
        "date are learned, too",
    )


def add_protected(parser: ArgumentParser) -> None:
    """Add the option that names the inputs whose groups are compared."""
    parser.add_argument(
        "--protected",
        action="append",
        default=[],
        metavar="COLUMN",
        help="an input whose groups monitoring compares: labels, precision and recall side by side",
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
    parts = tuple(tuple(names.split(",")) for names in options["date_parts"])
    return Corrections(columns, strict, options["labels"], parts, tuple(options["protected"]))


def _option(choice: Choice) -> str:
    return choice.value.replace("_", "-")


def import_file(csv: Path, *, name: str, target: str, categories: Iterable[str], options: Options) -> Dataset:
    """Store a file as a dataset.

    Raises:
        CommandError: the file cannot be read or used; the message has one line.
    """
    try:
        with csv.open("rb") as file:
            return import_dataset(
                name=name, target=target, source=file, categories=list(categories), options=options
            )
    except OSError as error:
        raise CommandError(f"cannot read {csv}: {error.strerror}") from error
    except ProblemError as error:
        raise CommandError(str(error)) from error


def plain_stem(path: Path) -> str:
    """Return a file's name without its endings, such as .csv.gz."""
    return path.name.removesuffix(".gz").rpartition(".")[0] or path.stem


def show_reading(reading: Mapping[str, Any], stream: OutputWrapper) -> None:
    """Write what was recognised in the file, one note per line."""
    notes = reading.get("notes", [])
    for note in notes[:SHOWN_WARNINGS]:
        about = f"{note['column']}: " if note["column"] else ""
        stream.write(f"read: {about}{note['message']}")
    if len(notes) > SHOWN_WARNINGS:
        stream.write(f"read: {len(notes) - SHOWN_WARNINGS:,} more; the dataset's page shows all")


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
    columns = [
        Column(name, overflow="fold") for name in ("input", "kind", "values", "missing", "form starts with")
    ]
    inputs = Table(*columns, title=title, title_justify="left")
    for feature in contract.features:
        missing = "accepted" if feature.missing else "refused"
        inputs.add_row(feature.name, feature.kind, _values(feature), missing, exact(feature.default))
    console.print(inputs)
    show_left_out(contract, console)


def show_left_out(contract: Contract, console: Console) -> None:
    """Print the columns that are left out, with the reasons."""
    for column, reason in contract.left_out.items():
        console.print(f"left out {column}: {reason}")


def _values(feature: Feature) -> str:
    if feature.span:
        return " to ".join(feature.span)
    if feature.kind is Kind.TEXT:
        return "any text, learned by its words"
    if not feature.categories:
        return "true, false"
    more = len(feature.categories) - SHOWN_CATEGORIES
    return ", ".join(feature.categories[:SHOWN_CATEGORIES]) + (f" and {more:,} more" if more > 0 else "")
