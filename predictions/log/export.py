"""The export of the log, read in pieces: as CSV, as Parquet, and as a file to add true labels to."""

import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from django.db.models import Prefetch

from clfsite.core.web import csv_output
from predictions.log.search import Wanted, walk
from predictions.models import Feedback, Prediction
from training.ml.tables.contract import Kind
from training.models import Classifier, Version

AT_ONCE = 2_000
# rows; a stream occupies one of the few threads that serve pages
MOST = 1_000_000
# rows; as many as a file of true labels may have
MOST_UNJUDGED = 200_000
# the columns of the site with their types in a Parquet file
TYPES = {
    "id": "UUID",
    "time": "TIMESTAMPTZ",
    "classifier": "VARCHAR",
    "version": "INTEGER",
    "label": "VARCHAR",
    "probability": "DOUBLE",
    "truth": "VARCHAR",
    "source": "VARCHAR",
    "caller": "VARCHAR",
    "latency_ms": "DOUBLE",
    "warnings": "VARCHAR",
    "reference": "VARCHAR",
}
HEADER = list(TYPES)
# the columns of the site in a file to add true labels to
UNJUDGED = ["id", "truth", "label", "probability", "time", "row", "reference"]
# whole numbers are doubles too, because inputs may be larger than 64 bits
INPUT_TYPES = {Kind.NUMBER: "DOUBLE", Kind.INTEGER: "DOUBLE", Kind.BOOLEAN: "BOOLEAN"}
# of DuckDB, which writes Parquet: few threads and little memory, and nothing from the network
WRITER: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": "300MB",
    "autoload_known_extensions": False,
}


def write(
    wanted: Wanted, classifier: Classifier | None, *, oldest_first: bool = False, as_json: bool = False
) -> Iterator[str]:
    """Yield a CSV of all rows that a search finds, in pieces.

    Args:
        classifier: the classifier of the predictions; None for several. Each of their features has a column.
        as_json: put all features into one column as JSON instead.
    """
    names = [] if as_json else list(_features(classifier))
    features = ["features"] if as_json else names
    yield csv_output.text([csv_output.header([*csv_output.beside(HEADER, names), *features])])
    for rows in _pages(wanted, oldest_first=oldest_first):
        cells = (
            [*_cells(row), orjson.dumps(row.features).decode()]
            if as_json
            else [*_cells(row), *_inputs(row, names)]
            for row in rows
        )
        yield csv_output.text(csv_output.lines(cells))


def write_unjudged(
    wanted: Wanted, classifier: Classifier | None, *, oldest_first: bool = False
) -> Iterator[str]:
    """Yield a CSV of the rows without a true label, with an empty column for it: a feedback file once it is filled in."""
    names = list(_features(classifier))
    yield csv_output.text([csv_output.header([*csv_output.beside(UNJUDGED, names), *names])])
    without = replace(wanted, feedback="without")
    for rows in _pages(without, oldest_first=oldest_first, most=MOST_UNJUDGED):
        cells = (
            [
                *(row.pk, None, row.label, row.probability, row.created_at.isoformat()),
                # from 1, as in the result of the batch
                *(None if row.row is None else row.row + 1, row.reference),
                *_inputs(row, names),
            ]
            for row in rows
        )
        yield csv_output.text(csv_output.lines(cells))


def write_parquet(
    folder: Path, wanted: Wanted, classifier: Classifier | None, *, oldest_first: bool = False
) -> Path:
    """Write all rows that a search finds to a Parquet file, with columns as in the CSV.

    The rows go to a packed text file first, so that memory does not grow with their number.

    Args:
        folder: an empty folder for the files.
    """
    import duckdb  # imported here, because only Parquet needs it

    features = _features(classifier)
    names = _apart([*csv_output.beside(HEADER, list(features)), *features])
    columns = dict(zip(map(str, range(len(names))), [*TYPES.values(), *features.values()], strict=True))
    lines, target = folder / "rows.json.gz", folder / "predictions.parquet"
    with gzip.open(lines, "wb", compresslevel=1) as file:
        for rows in _pages(wanted, oldest_first=oldest_first):
            for row in rows:
                values = zip(columns, [*_cells(row), *_inputs(row, list(features))], strict=True)
                file.write(orjson.dumps(dict(values)) + b"\n")
    with duckdb.connect(config={**WRITER, "temp_directory": str(folder / "spill")}) as database:
        database.execute("SET TimeZone = 'UTC'")
        table = database.read_json(str(lines), columns=columns, format="newline_delimited")
        named = ", ".join(
            f'"{place}" AS "{name.replace(chr(34), chr(34) * 2)}"'
            for place, name in zip(columns, names, strict=True)
        )
        table.project(named).write_parquet(str(target))
    return target


def _pages(wanted: Wanted, *, oldest_first: bool, most: int | None = None) -> Iterator[list[Prediction]]:
    """Yield the rows that a search finds, with all that an export shows, in pieces."""
    for page in walk(wanted, at_once=AT_ONCE, most=most or MOST, oldest_first=oldest_first):
        whole = Prediction.objects.select_related("version__classifier").only(
            *("id", "created_at", "label", "probability", "source", "caller", "warnings", "latency_ms"),
            *("features", "row", "reference", "version__number", "version__classifier__name"),
        )
        in_force = Prefetch("feedback", Feedback.objects.in_force(), to_attr="truths")
        rows = whole.prefetch_related(in_force).in_bulk([row.pk for row in page])
        yield [rows[row.pk] for row in page if row.pk in rows]


def _features(classifier: Classifier | None) -> dict[str, str]:
    """The features of all versions of a classifier or of all classifiers, starting with the newest.

    Returns:
        Their types in a Parquet file by name: text if the versions differ.
    """
    of_one = {"classifier": classifier} if classifier else {}
    contracts = Version.objects.filter(**of_one).order_by("classifier__name", "-number")
    types: dict[str, str] = {}
    for features in contracts.values_list("contract_data__features", flat=True):
        for feature in features:
            kind = INPUT_TYPES.get(Kind(feature["kind"]), "VARCHAR")
            if types.setdefault(feature["name"], kind) != kind:
                types[feature["name"]] = "VARCHAR"
    return types


def _apart(names: list[str]) -> list[str]:
    """Names that also differ where upper and lower case are equal, as in DuckDB: Age and age become Age and age_2."""
    taken: set[str] = set()
    apart = []
    for name in names:
        free, count = name, 1
        while free.casefold() in taken:
            count += 1
            free = f"{name}_{count}"
        taken.add(free.casefold())
        apart.append(free)
    return apart


def _inputs(row: Prediction, names: list[str]) -> list[Any]:
    return [row.features.get(name) for name in names]


def _cells(row: Prediction) -> list[Any]:
    """The values of the site's columns, in the order of HEADER."""
    truths: list[Feedback] = row.truths  # type: ignore[attr-defined]
    return [
        row.pk,
        row.created_at.isoformat(),
        row.version.classifier.name,
        row.version.number,
        row.label,
        row.probability,
        truths[0].label if truths else None,
        row.source,
        row.caller,
        row.latency_ms,
        "; ".join(f"{warning['feature']}: {warning['code']}" for warning in row.warnings),
        row.reference,
    ]
