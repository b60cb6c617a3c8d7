"""Feedback files: all rows are checked before the first is stored; rows are stored in pieces."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
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
from predictions.models import Feedback, Prediction
from training.datasets.service import as_invalid_input
from training.ml.files.blocks import rows
from training.ml.files.reading import FileProblem, TableError
from training.ml.files.sources import Source, open_source

# names of the column of ids: in a file of truths, in a result of a batch, and where the file had such a name of its own
IDS = ("id", "prediction_id", "clfsite_prediction_id")
# names of the column of true labels, and that of the label in a file that is not a result
TRUTHS = ("truth", "true_label", "actual")
LABEL = "label"
# columns by which a file is a result of the site, in which the label is the predicted one
OF_RESULTS = frozenset(["probability", "clfsite_probability"])
# most rows; ids are kept in memory to find duplicates, about 200 bytes each
MAX_ROWS = 200_000
MAX_PROBLEMS = 1_000
# rows per transaction; short enough for concurrent predictions, also on SQLite
PIECE = 500


@dataclass(frozen=True)
class Layout:
    """Which columns of a file are used.

    Attributes:
        ids, labels: the places of the prediction's id and of the true label.
        label: the name of the latter.
        ignored: the names of all other columns.
    """

    ids: int
    labels: int
    label: str
    ignored: list[str]

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
    """Store the true labels of a file with ids and labels; if any row is invalid, nothing is stored.

    The file may be the result of a batch with a column of truths added; other columns are ignored. A row that gets another label from someone else during the upload is refused separately. A file can be
    uploaded again: labels that are already saved do not change.

    Raises:
        InvalidInput: not such a file, or invalid rows, by line and column. TooLarge: more than MAX_ROWS rows.
        Conflict: rows that got another label; the others were stored.
    """
    with uploaded_path(source) as upload, scratch() as folder:
        opened = _open(upload, folder)
        layout = _layout(opened)
        count = _check(opened, layout, replace)
        stored: Counter[Change] = Counter()
        clashes: list[FileProblem] = []
        for piece in _pieces(_read(opened, layout)):
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
    ids = next((name for name in IDS if name in header), None)
    label = next((name for name in TRUTHS if name in header), None) if ids else None
    if ids and label is None and LABEL in header and not OF_RESULTS & set(header):
        label = LABEL
    if ids and label is None and first:
        label = _target_of(first[header.index(ids)], header)
    if ids is None or label is None:
        names = ", ".join(name[:40] for name in header[:5])
        raise InvalidInput(
            f"the columns are {names}; expected {IDS[0]} and {LABEL}: a prediction's id and its true label, or a result of "
            f"the site with a column {TRUTHS[0]}"
        )
    ignored = [name for name in header if name not in {ids, label}]
    return Layout(header.index(ids), header.index(label), label, ignored)


def _target_of(text: str, header: list[str]) -> str | None:
    """Return the column of a result that has the target's name, given the id of its first prediction."""
    try:
        prediction = Prediction.objects.filter(pk=UUID(text.strip())).select_related("version").first()
    except ValueError:
        return None
    target = prediction and prediction.version.contract.target
    return target if target in header else None


def _check(opened: Source, layout: Layout, replace: bool) -> int:
    """Check all rows, and return their number."""
    problems: list[FileProblem] = []
    count = bad = 0
    try:
        for piece in _pieces(_read(opened, layout)):
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


def _read(opened: Source, layout: Layout) -> Iterator[Truth | FileProblem | None]:
    """Yield the label of each row, the problem of the row itself, or None for a row without a label."""
    reader = rows(opened.path, opened.delimiter)
    next(reader)
    seen: dict[UUID, int] = {}
    for count, (line, cells) in enumerate(reader, start=1):
        if count > MAX_ROWS:
            raise TooLarge(f"the file has more than {MAX_ROWS:,} rows; split it into several files")
        text, label = cells[layout.ids].strip(), cells[layout.labels]
        if layout.may_lack_labels and not label.strip():
            yield None
            continue
        try:
            key = UUID(text)
        except ValueError:
            yield FileProblem(line, "id", f'"{text[:60]}" is not the id of a prediction')
            continue
        if key in seen:
            yield FileProblem(line, "id", f"duplicate prediction; it is already in line {seen[key]}")
            continue
        seen[key] = line
        yield Truth(key, label, line)


def _pieces(read: Iterator[Truth | FileProblem | None]) -> Iterator[list[Truth | FileProblem | None]]:
    while piece := list(islice(read, PIECE)):
        yield piece


def _truths(piece: list[Truth | FileProblem | None]) -> list[Truth]:
    return [item for item in piece if isinstance(item, Truth)]


def _in_file(problem: FeedbackProblem) -> FileProblem:
    return FileProblem(problem.truth.line, problem.column, problem.message)
