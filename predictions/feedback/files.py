"""Feedback files: all rows are checked before the first is stored; rows are stored in pieces."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.db import transaction

from clfsite.core.errors import Conflict, InvalidInput, TooLarge
from clfsite.core.storage.files import scratch, uploaded_path
from clfsite.core.web import csv_output
from predictions.feedback.service import Change, FeedbackProblem, Truth, store, weigh
from predictions.log import references
from predictions.models import Feedback, Prediction
from training.datasets.service import as_invalid_input
from training.ml.files.blocks import rows
from training.ml.files.reading import FileProblem, TableError
from training.ml.files.sources import Source, open_source

# names of the column of ids: in a result of a batch, and in an export of the log or a file of truths. The longer ones come
# first, because the site uses them where a file has a shorter one of its own.
IDS = ("clfsite_prediction_id", "prediction_id", "clfsite_id", "id")
# names of the column of references, in a file without ids
REFERENCES = (references.NAME, f"clfsite_{references.NAME}")
# names of the columns that tell predictions with the same reference apart
MODEL, TIME = "model", "time"
# names of the column of true labels, and that of the label in a file that is not a result
TRUTHS = ("clfsite_truth", "truth", "true_label", "actual")
LABEL = "label"
# columns by which a file is a result of the site, in which the label is the predicted one
OF_RESULTS = frozenset(["probability", "clfsite_probability"])
# most rows; ids are kept in memory to find duplicates, about 200 bytes each
MAX_ROWS = 200_000
MAX_PROBLEMS = 1_000
# rows per transaction; short enough for concurrent predictions, also on SQLite
PIECE = 500


# a row: its line, the prediction that it is about or why there is none, and its cells
_Row = tuple[int, references.Named | UUID | FileProblem | None, list[str]]


@dataclass(frozen=True)
class Layout:
    """Which columns of a file are used.

    Attributes:
        key: the name of the column of ids or references.
        label: the name of the column of true labels.
        places: the place of each column that is used, by its name.
        ignored: the names of all other columns.
    """

    key: str
    label: str
    places: dict[str, int]
    ignored: list[str]

    @property
    def has_references(self) -> bool:
        """Whether predictions are named by the caller's own keys instead of their ids."""
        return self.key in REFERENCES

    @property
    def may_lack_labels(self) -> bool:
        """Whether rows without a true label are left out: in a result to which truths were added."""
        return bool(self.ignored)


@dataclass(frozen=True)
class Imported:
    """What was stored, by kind of change; the columns that were used and ignored; and the rows without a true label."""

    changes: Counter[Change]
    label_column: str
    ignored_columns: list[str]
    without_label: int


def import_feedback(
    *,
    source: File,  # type: ignore[type-arg]
    actor: str,
    via: Feedback.Source,
    replace: bool = False,
) -> Imported:
    """Store the true labels of a file with ids or references and labels; if any row is invalid, nothing is stored.

    The file may be the result of a batch with a column of truths added; other columns are ignored. A row that gets
    another label from someone else during the upload is refused separately. A file can be uploaded again: labels that
    are already saved do not change. A reference without a time is its newest prediction from before the upload.

    Raises:
        InvalidInput: not such a file, or invalid rows, by line and column. TooLarge: more than MAX_ROWS rows.
        Conflict: rows that got another label; the others were stored.
    """
    with uploaded_path(source) as upload, scratch() as folder:
        opened = _open(upload, folder)
        layout = _layout(opened)
        found: dict[int, UUID] = {}
        count = _check(opened, layout, found, replace)
        stored: Counter[Change] = Counter()
        clashes: list[FileProblem] = []
        for piece in _read(opened, layout, found):
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
    return Imported(stored, layout.label, layout.ignored, count - stored.total())


def _open(upload: Path, folder: Path) -> Source:
    try:
        return open_source(upload, folder, limit=settings.CLFSITE_UPLOAD_BYTES)
    except TableError as error:
        raise as_invalid_input(error) from error


def _layout(opened: Source) -> Layout:
    """Find the columns of ids and true labels.

    Raises:
        InvalidInput: the file has none, or is not CSV.
    """
    reader = rows(opened.path, opened.delimiter)
    try:
        header, first = next(reader)[1], next(reader, (0, []))[1]
    except TableError as error:
        raise as_invalid_input(error) from error
    key = next((name for name in (*IDS, *REFERENCES) if name in header), None)
    label = next((name for name in TRUTHS if name in header), None) if key else None
    if key and label is None and LABEL in header and not OF_RESULTS & set(header):
        label = LABEL
    if key and label is None and first:
        label = _target_of(first[header.index(key)], header, key in REFERENCES)
    if key is None or label is None:
        names = ", ".join(name[:40] for name in header[:5])
        raise InvalidInput(
            f"the columns are {names}; expected id and {LABEL}: a prediction's id and its true label, "
            f"{REFERENCES[0]} and {LABEL}, or a result of the site with a column truth"
        )
    used = [key, label, *((MODEL, TIME) if key in REFERENCES else ())]
    places = {name: place for place, name in enumerate(header) if name in used}
    return Layout(key, label, places, [name for name in header if name not in places])


def _target_of(text: str, header: list[str], is_reference: bool) -> str | None:
    """Return the column of a result that has the target's name, given the id or reference of its first prediction."""
    try:
        key = {"reference": text.strip()} if is_reference else {"pk": UUID(text.strip())}
    except ValueError:
        return None
    prediction = Prediction.objects.filter(**key).select_related("version").order_by("-id").first()
    target = prediction and prediction.version.contract.target
    return target if target in header else None


def _check(opened: Source, layout: Layout, found: dict[int, UUID], replace: bool) -> int:
    """Check all rows, and return their number.

    Args:
        found: gets the prediction of each row with a reference, by its line.
    """
    problems: list[FileProblem] = []
    count = bad = 0
    try:
        for piece in _read(opened, layout, found):
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
    return count


def _read(
    opened: Source, layout: Layout, found: dict[int, UUID]
) -> Iterator[list[Truth | FileProblem | None]]:
    """Yield the rows in pieces: the label of each, the problem of the row itself, or None for a row without a label.

    Args:
        found: the predictions that an earlier reading found, by line, because a newer one may have the same reference.
    """
    reader = rows(opened.path, opened.delimiter)
    next(reader)
    seen: dict[UUID, int] = {}
    count = 0
    while piece := list(islice(reader, PIECE)):
        count += len(piece)
        if count > MAX_ROWS:
            raise TooLarge(f"the file has more than {MAX_ROWS:,} rows; split it into several files")
        named = [(line, _named(line, cells, layout, found), cells) for line, cells in piece]
        if layout.has_references:
            named = _find(named, layout, found)
        yield [
            _once(Truth(key, cells[layout.places[layout.label]], line), layout, seen)
            if isinstance(key, UUID)
            else cast("FileProblem | None", key)
            for line, key, cells in named
        ]


def _find(named: list[_Row], layout: Layout, found: dict[int, UUID]) -> list[_Row]:
    """The rows with the ids of their predictions."""
    names = {name for _, name, _ in named if isinstance(name, references.Named)}
    # in a file of ours a reference that looks like a formula has a mark in front
    plain = {
        name: references.Named(csv_output.unmarked(name.reference), name.model, name.before) for name in names
    }
    predictions = references.find_all({*names, *plain.values()}) if names else {}
    rows: list[_Row] = []
    for line, name, cells in named:
        key: Any = name
        if isinstance(name, references.Named):
            key = predictions[name]
            if isinstance(key, str):
                key = predictions[plain[name]]
            key = FileProblem(line, layout.key, key) if isinstance(key, str) else key.pk
        if isinstance(key, UUID):
            found[line] = key
        rows.append((line, key, cells))
    return rows


def _named(
    line: int, cells: list[str], layout: Layout, found: dict[int, UUID]
) -> references.Named | UUID | FileProblem | None:
    """Which prediction a row is about, its problem, or None for a row without a label."""
    text = cells[layout.places[layout.key]].strip()
    if layout.may_lack_labels and not cells[layout.places[layout.label]].strip():
        return None
    if line in found:
        return found[line]
    if not layout.has_references:
        try:
            return UUID(text)
        except ValueError:
            return FileProblem(line, "id", f'"{text[:60]}" is not the id of a prediction')
    if problem := references.problem_of(text, layout.key):
        return FileProblem(line, layout.key, problem.message)
    model, time = (
        cells[layout.places[name]].strip() if name in layout.places else "" for name in (MODEL, TIME)
    )
    try:
        return references.Named(text, model, references.end_of(time) if time else None)
    except ValueError as error:
        return FileProblem(line, TIME, str(error))


def _once(
    item: Truth | FileProblem | None, layout: Layout, seen: dict[UUID, int]
) -> Truth | FileProblem | None:
    """The row, or the problem that an earlier one is about the same prediction."""
    if not isinstance(item, Truth):
        return item
    if item.prediction_id in seen:
        earlier = seen[item.prediction_id]
        column = layout.key if layout.has_references else "id"
        return FileProblem(item.line, column, f"duplicate prediction; it is already in line {earlier}")
    seen[item.prediction_id] = item.line
    return item


def _truths(piece: list[Truth | FileProblem | None]) -> list[Truth]:
    return [item for item in piece if isinstance(item, Truth)]


def _in_file(problem: FeedbackProblem) -> FileProblem:
    return FileProblem(problem.truth.line, problem.column, problem.message)
