"""`manage.py importdataset`: store a file or the rows of a query as a dataset and print its contract and findings."""

import json
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console

from clfsite.core.errors import ProblemError
from training.datasets.changes import Changes, compare_datasets, version_before
from training.management import columns
from training.ml.tables.corrections import Choice
from training.models import Dataset
from training.sources.service import import_query

# columns that are printed because their values moved
SHOWN_SHIFTS = 10
# options that a query requires, and those that say how a file is written
QUERY = {"--sql": "sql", "--from": "source", "--name": "name"}
OF_FILES = ("delimiter", "encoding", "decimal", "sheet")


class Command(BaseCommand):
    help = (
        "Store a file, or the rows of a query, as the next version of a dataset and print its inferred contract, the "
        "columns that are left out, warnings, and what changed since the version before. A table that is already "
        "stored for the same target is not stored again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "csv",
            type=Path,
            nargs="?",
            help="the table with a header line: CSV in any notation, .xlsx, .xls, .ods, .parquet, also with .gz",
        )
        query = parser.add_argument_group("rows of a database", "Instead of a file, the result of a query.")
        query.add_argument("--sql", metavar="QUERY", help="one SELECT statement")
        query.add_argument(
            "--from",
            dest="source",
            metavar="NAME",
            help="the database: NAME, in lower case, of a setting CLFSITE_SOURCE_<NAME>",
        )
        parser.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
        parser.add_argument(
            "--name", default="", help="name of the dataset; default: the file name; required with --sql"
        )
        columns.add_options(parser, [Choice.CATEGORY])
        columns.add_reading(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")

    def handle(self, *, csv: Path | None, target: str, **options: Any) -> None:
        began = timezone.now()
        _check(csv, options)
        if csv:
            dataset = columns.import_file(
                csv,
                name=options["name"] or columns.plain_stem(csv),
                target=target,
                categories=options["category"],
                options=columns.reading_of(options),
            )
        else:
            dataset = _query(target, options)
        is_new = dataset.created_at >= began
        changes = _changes(dataset) if is_new else None
        if options["json"]:
            self.stdout.write(json.dumps(outcome(dataset, changes, is_new=is_new)))
            return
        console = Console(file=cast(IO[str], self.stdout), markup=False, highlight=False)
        size = f"{dataset.rows:,} rows, {dataset.columns:,} columns, {dataset.size_bytes:,} bytes"
        columns.show_contract(dataset.contract, f"{dataset}: {size}, predicts {target}", console)
        console.print(f"classes: {', '.join(dataset.contract.classes)}")
        if dataset.contract.positive is not None:
            console.print(columns.describe_positive(dataset.contract.positive), soft_wrap=True)
        columns.show_reading(dataset.reading, self.stderr)
        columns.show_warnings(dataset.warnings, self.stderr)
        if changes:
            show_changes(changes, console)
        state = (
            "is stored"
            if is_new
            else "already has this table; nothing was added, and its contract is unchanged"
        )
        console.print(f"{dataset} {state}")


def _check(csv: Path | None, options: Mapping[str, Any]) -> None:
    """Raise CommandError unless either a file or a query is given completely."""
    if csv and (options["sql"] or options["source"]):
        raise CommandError("a file and --sql or --from were given; choose one of them")
    if csv:
        return
    missing = [flag for flag, name in QUERY.items() if not options[name]]
    if len(missing) == len(QUERY):
        raise CommandError("expected a file, or --sql, --from and --name")
    if missing:
        raise CommandError(f"a dataset from a database also requires {' and '.join(missing)}")
    of_files = [f"--{name}" for name in OF_FILES if options[name]]
    if of_files:
        raise CommandError(f"{of_files[0]} is about files; leave it out with --sql")


def _query(target: str, options: Mapping[str, Any]) -> Dataset:
    """Store the rows of a query as a dataset.

    Raises:
        CommandError: the query or its result cannot be used; the message has one line.
    """
    try:
        return import_query(
            source=options["source"],
            sql=options["sql"],
            name=options["name"],
            target=target,
            categories=options["category"],
            options=columns.reading_of(options),
        )
    except ProblemError as error:
        raise CommandError(str(error)) from error


def _changes(dataset: Dataset) -> Changes | None:
    """Return what changed since the version before; None if there is none, or its table cannot be read."""
    try:
        return compare_datasets(version_before(dataset), dataset)
    except ProblemError:
        return None


def show_changes(changes: Changes, console: Console) -> None:
    """Print the differences of a version from an earlier one."""
    console.print(
        f"since v{changes.old}: {changes.rows_added:,} rows added, {changes.rows_removed:,} rows removed"
    )
    for title, names in (("added", changes.added), ("removed", changes.removed)):
        if names:
            console.print(f"columns {title}: {', '.join(names)}", soft_wrap=True)
    for column in changes.of_other_kind:
        console.print(f"{column.name}: {column.before} before, {column.after} now", soft_wrap=True)
    moved = [
        f"{column.name} ({column.shift.moved:.1%}, by chance {column.shift.by_chance:.1%})"
        for column in changes.far[:SHOWN_SHIFTS]
        if column.shift
    ]
    if moved:
        console.print(
            f"values moved farther than chance explains: {', '.join(moved)}"
            + (
                f" and {len(changes.far) - len(moved):,} more columns"
                if len(moved) < len(changes.far)
                else ""
            ),
            soft_wrap=True,
        )


def outcome(dataset: Dataset, changes: Changes | None, *, is_new: bool) -> dict[str, Any]:
    """Return the output of `--json`."""
    return {
        "id": dataset.pk,
        "name": dataset.name,
        "number": dataset.number,
        "new": is_new,
        "sha256": dataset.sha256,
        "target": dataset.target,
        "rows": dataset.rows,
        "columns": dataset.columns,
        "size_bytes": dataset.size_bytes,
        "reading": dataset.reading,
        "origin": dataset.origin,
        "contract": dataset.contract_data,
        "warnings": dataset.warnings,
        "changes": changes.to_dict() if changes else None,
    }
