"""Feedback files: all rows are checked before the first is stored; rows are stored in pieces."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from operator import attrgetter
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.db import transaction

from clfsite.core.errors import Conflict, InvalidInput, TooLarge
from clfsite.core.storage.files import scratch, uploaded_path
from predictions.feedback.service import Change, FeedbackProblem, Truth, store, weigh
from predictions.models import Feedback
from training.datasets.service import as_invalid_input
from training.ml.tables.blocks import rows
from training.ml.tables.reading import FileProblem, TableError
from training.ml.tables.sources import Source, open_source

COLUMNS = ("id", "label")
# most rows; ids are kept in memory to find duplicates, about 200 bytes each
MAX_ROWS = 200_000
MAX_PROBLEMS = 1_000
# rows per transaction; short enough for concurrent predictions, also on SQLite
PIECE = 500


def import_feedback(
    *,
    source: File,  # type: ignore[type-arg]
    actor: str,
    via: Feedback.Source,
    replace: bool = False,
) -> Counter[Change]:
    """Store the true labels of a CSV with the columns id and label; if any row is invalid, nothing is stored.

    A row that gets another label from someone else during the upload is refused separately. A file can be
    uploaded again: labels that are already saved do not change.

    Raises:
        InvalidInput: not such a CSV, or invalid rows, by line and column. TooLarge: more than MAX_ROWS rows.
        Conflict: rows that got another label; the others were stored.
    """
    with uploaded_path(source) as upload, scratch() as folder:
        opened = _open(upload, folder)
        _check(opened, replace)
        stored: Counter[Change] = Counter()
        clashes: list[FileProblem] = []
        for piece in _pieces(_read(opened)):
            with transaction.atomic():
                weighed, truth_problems = weigh(_truths(piece), replace=replace, lock=True)
                stored += store(weighed, actor=actor, source=via)
            clashes += map(_in_file, truth_problems)
    if clashes:
        raise Conflict(
            f"{len(clashes):,} rows received another label during the upload and were not stored; "
            f"the other {stored.total():,} are",
            list(map(vars, clashes[:MAX_PROBLEMS])),
        )
    return stored


def _open(upload: Path, folder: Path) -> Source:
    try:
        return open_source(upload, folder, limit=settings.CLFSITE_UPLOAD_BYTES)
    except TableError as error:
        raise as_invalid_input(error) from error


def _check(opened: Source, replace: bool) -> None:
    problems: list[FileProblem] = []
    count = bad = 0
    try:
        for piece in _pieces(_read(opened)):
            _, truth_problems = weigh(_truths(piece), replace=replace)
            in_piece = [item for item in piece if isinstance(item, FileProblem)]
            in_piece = sorted([*in_piece, *map(_in_file, truth_problems)], key=attrgetter("line"))
            count += len(piece)
            bad += len(in_piece)
            problems += in_piece[: MAX_PROBLEMS - len(problems)]
    except TableError as error:
        raise as_invalid_input(error) from error
    if not count:
        raise InvalidInput("the file has a header and no rows; add at least one row")
    if problems:
        more = f" (the first {MAX_PROBLEMS:,} are listed)" if bad > MAX_PROBLEMS else ""
        raise InvalidInput(
            f"{bad:,} of {count:,} rows were refused{more}; nothing was stored", list(map(vars, problems))
        )


def _read(opened: Source) -> Iterator[Truth | FileProblem]:
    """Yield the label of each row, or the problem of the row itself."""
    reader = rows(opened.path, opened.delimiter)
    header = next(reader)[1]
    if sorted(header) != sorted(COLUMNS):
        names = ", ".join(name[:40] for name in header[:5])
        raise TableError(
            f"the columns are {names}; expected {' and '.join(COLUMNS)}: a prediction's id and its true label"
        )
    seen: dict[UUID, int] = {}
    for count, (line, cells) in enumerate(reader, start=1):
        if count > MAX_ROWS:
            raise TooLarge(f"the file has more than {MAX_ROWS:,} rows; split it into several files")
        row = dict(zip(header, cells, strict=True))
        text = row["id"].strip()
        try:
            key = UUID(text)
        except ValueError:
            yield FileProblem(line, "id", f'"{text[:60]}" is not the id of a prediction')
            continue
        if key in seen:
            yield FileProblem(line, "id", f"duplicate prediction; it is already in line {seen[key]}")
            continue
        seen[key] = line
        yield Truth(key, row["label"], line)


def _pieces(read: Iterator[Truth | FileProblem]) -> Iterator[list[Truth | FileProblem]]:
    while piece := list(islice(read, PIECE)):
        yield piece


def _truths(piece: list[Truth | FileProblem]) -> list[Truth]:
    return [item for item in piece if isinstance(item, Truth)]


def _in_file(problem: FeedbackProblem) -> FileProblem:
    return FileProblem(problem.truth.line, problem.column, problem.message)
