"""Uploaded files before they are saved as datasets: kept for a day, and previewed."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files import File
from django.utils import timezone

from clfsite.core.errors import NotFound
from clfsite.core.storage import files
from training.datasets.service import as_invalid_input
from training.ml.files.options import AUTOMATIC, Options
from training.ml.files.reading import TableError
from training.models import Upload

KEPT = timedelta(days=1)
# rows that the preview reads, and those that it shows
READ_ROWS, SHOWN_ROWS = 2_000, 8
MOST_LABELS = 100
# the usual names of a column to predict
USUAL_TARGETS = (
    "target",
    "label",
    "class",
    "y",
    "outcome",
    "churn",
    "churned",
    "result",
    "response",
    "default",
)


@dataclass(frozen=True)
class PreviewColumn:
    """A column in the preview: the kind of its values, the first ones as written, and all in order as labels."""

    name: str
    kind: str
    cells: list[str]
    labels: list[str]


@dataclass(frozen=True)
class Preview:
    """The start of a file as it is read.

    Attributes:
        facts: what was recognised, by name.
        notes: what was recognised or left out, about the file and its columns.
        problem: why the columns cannot be read, "" if they can.
    """

    form: str
    facts: dict[str, str]
    notes: list[Any]
    columns: list[PreviewColumn]
    problem: str = ""

    @property
    def rows(self) -> list[list[str]]:
        """The first rows as written."""
        return [list(cells) for cells in zip(*(column.cells for column in self.columns), strict=True)]

    @property
    def target(self) -> str:
        """The guessed target: a usual name, else the last column with few values."""
        names = {column.name.strip().casefold(): column.name for column in self.columns}
        for name in USUAL_TARGETS:
            if name in names:
                return names[name]
        few = [column.name for column in self.columns if 2 <= len(column.labels) <= MOST_LABELS]  # noqa: PLR2004
        return few[-1] if few else ""


def store_upload(source: File, user: User) -> Upload:  # type: ignore[type-arg]
    """Store a file until it is saved as a dataset, and delete those that were left behind.

    Raises:
        InvalidInput: it is no table. Unavailable: storage does not respond.
    """
    with files.uploaded_path(source) as path:
        preview(path)
        old = Upload.objects.filter(created_at__lt=timezone.now() - KEPT)
        for upload in old:
            delete_upload(upload)
        upload = Upload(
            name=files.plain_name(source.name, "table.csv"),
            size_bytes=path.stat().st_size,
            created_by=user,
        )
        with path.open("rb") as file:
            files.datasets().save(upload.file_name, File(file))
    upload.save()
    return upload


@contextmanager
def opened(upload: Upload) -> Iterator[Path]:
    """The path of an upload's file.

    Raises:
        NotFound: it was deleted.
    """
    try:
        with files.local_path(files.datasets(), upload.file_name) as path:
            yield path
    except FileNotFoundError as error:
        raise NotFound(f"the file {upload} is no longer here; upload it again") from error


def delete_upload(upload: Upload) -> None:
    """Delete an upload with its file."""
    files.remove_quietly(files.datasets(), [upload.file_name])
    upload.delete()


def preview(path: Path, options: Options = AUTOMATIC) -> Preview:
    """Read the start of a file.

    Raises:
        InvalidInput: it is no table.
    """
    # imported here, because pandas slows down the start of the site
    from training.ml.files.columns import read_columns
    from training.ml.files.sources import open_source
    from training.ml.tables.inference import kind_of

    with files.scratch() as folder:
        try:
            source = open_source(path, folder, options, limit=settings.CLFSITE_UPLOAD_BYTES)
            names, rows = _first_rows(source.path, source.delimiter, folder / "first.csv")
        except TableError as error:
            raise as_invalid_input(error) from error
        cells = dict(zip(names, map(list, zip(*rows[:SHOWN_ROWS], strict=True)), strict=True))
        labels = {
            name: sorted(set(column)) for name, column in zip(names, zip(*rows, strict=True), strict=True)
        }
        notes, problem, kinds = list(source.notes), "", {}
        try:
            table = read_columns(
                folder / "first.csv", source.delimiter, options=options, is_typed=source.is_typed
            )
        except TableError as error:
            problem = str(error)
        else:
            notes += table.notes
            for name, column in table.columns.items():
                values = column.values.dropna()
                kinds[name] = kind_of(values).value if len(values) else "empty"
    columns = [
        PreviewColumn(
            name,
            kinds.get(name, ""),
            cells[name],
            [label for label in labels[name][: MOST_LABELS + 1] if label.strip()],
        )
        for name in names
    ]
    return Preview(source.form, source.facts, notes, columns, problem)


def _first_rows(path: Path, delimiter: str, target: Path) -> tuple[list[str], list[list[str]]]:
    """Copy the header and the first rows of a CSV file to another one, and return them.

    Raises:
        TableError: the file is not CSV, or has no rows.
    """
    from training.ml.files.blocks import rows

    reader = rows(path, delimiter)
    names = next(reader)[1]
    first = [cells for _, cells in islice(reader, READ_ROWS)]
    if not first:
        raise TableError("the file has a header and no rows; add at least one row of data")
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(first)
    return names, first
