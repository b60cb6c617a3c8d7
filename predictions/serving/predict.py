"""The way of one call, step by step: check, score, rows of the log, commit, answer.

`predict` goes it in one thread. On the event loop, `predictions.serving.batcher` shares its steps among the calls of a
turn. The views read the call before, and write the answer after.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import orjson
from django.utils import timezone
from numpy.typing import NDArray
from uuid_utils import uuid7

from clfsite.core.errors import InvalidInput
from clfsite.core.requests import access_log
from clfsite.core.web.metrics import child
from clfsite.core.web.problems import MOST_ERRORS
from predictions.log import group_commit, references
from predictions.log.build import log_rows, write_warnings
from predictions.log.columns import LogColumns
from predictions.log.rows import LogRows, Parts
from predictions.models import Prediction
from predictions.monitoring import refusals
from predictions.serving import metrics
from predictions.serving.live_models import Live
from predictions.serving.sets import set_of
from training.ml.tables.checks import check_records, read_records
from training.ml.tables.contract import FeatureProblem

# records; from here on checks by column are faster than checks by record
ROWS_FOR_COLUMNS = 100
# rows that are scored and serialized while the database writes the rows before
ROWS_OF_PART = 100
# seconds; slower scoring is done before the log is called
LONG_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Query:
    """What a call asks for: records of JSON values, and the version that answers them.

    Attributes:
        path: path of a record in the caller's body, with {row} for its number, used in errors.
        taken: the caller's own keys of the records, if any record has one.
    """

    live: Live
    records: Sequence[dict[str, Any]]
    source: Prediction.Source
    caller: str
    path: str | None = None
    taken: references.Taken | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """The accepted records of a call.

    Attributes:
        warnings: by row if there are any.
        seconds: of the check.
        request_id: of the call, as the steps after this one are made outside of its task or thread.
        arrays: the columns of the records if they were checked by column.
    """

    query: Query
    records: Sequence[Mapping[str, Any]]
    warnings: Mapping[int, Sequence[FeatureProblem]]
    seconds: float
    request_id: str | None
    arrays: Mapping[str, NDArray[Any]] | None = None

    @property
    def unseen(self) -> list[str]:
        """The codes of all warnings."""
        return [warning.code for of_row in self.warnings.values() for warning in of_row]


class Piece(NamedTuple):
    """Predictions of some rows: length (rows,), shape (rows, classes), and the seconds that they took."""

    labels: Sequence[str]
    proba: NDArray[np.float64]
    seconds: float


@dataclass(frozen=True)
class Answer:
    """Logged predictions in the order of the records, with their version."""

    live: Live
    parts: Parts

    @property
    def labels(self) -> list[str]:
        """The label of each record."""
        return list(chain.from_iterable(part.labels for part in self.parts))

    @property
    def proba(self) -> list[list[float]]:
        """Probabilities by record and class, in the contract's order of classes."""
        texts = chain.from_iterable(part.probabilities for part in self.parts)
        return [list(orjson.loads(text).values()) for text in texts]


def predict(query: Query) -> Answer:
    """Answer and log records in this thread.

    Raises:
        InvalidInput: a record does not fit the contract; nothing was stored. Unavailable: the log did not take them.
    """
    live, checked = query.live, check(query)
    parts = Parts(len(checked.records), _log(checked, _pieces(checked)))
    began = time.perf_counter()
    group_commit.record(parts)
    metrics.step("commit", time.perf_counter() - began, live.classifier)
    count(live, parts, checked.unseen)
    return Answer(live, parts)


@dataclass(frozen=True)
class Tried:
    """The prediction for a record that was not logged; `labels` cannot be excluded, None without sets."""

    label: str
    probability: float
    probabilities: dict[str, float]
    warnings: list[FeatureProblem]
    labels: list[str] | None


def explore(*, live: Live, record: Mapping[str, Any]) -> Tried:
    """Check and score one record without logging, counting or timing it.

    Raises:
        InvalidInput: the record does not fit the contract.
    """
    records = read_records(live.contract, [record])
    (warnings,) = _check_each(live, records)
    (label,), proba = live.loaded.score(records)
    probabilities = dict(zip(live.contract.classes, proba[0].tolist(), strict=True))
    return Tried(label, probabilities[label], probabilities, warnings, set_of(live, probabilities))


def check(query: Query) -> Checked:
    """Check the records of a call and their references.

    Raises:
        InvalidInput: with every refused feature of every record.
    """
    began, live = time.perf_counter(), query.live
    records = read_records(live.contract, query.records)
    request_id = access_log.current_id() or None
    if len(records) < ROWS_FOR_COLUMNS:
        each = _check_each(live, records, query.path, query.taken)
        warned = {row: warnings for row, warnings in enumerate(each) if warnings}
        seconds = metrics.step("check", time.perf_counter() - began, live.classifier)
        return Checked(query, records, warned, seconds, request_id)
    checked = check_records(live.contract, records, strict=live.strict)
    _refuse(live, len(records), checked.errors, query.path, query.taken)
    seconds = metrics.step("check", time.perf_counter() - began, live.classifier)
    return Checked(query, records, checked.warnings, seconds, request_id, checked.arrays)


def rows_of(checked: Checked, piece: Piece, first: int, now: datetime) -> LogRows:
    """Rows of the log for a piece of a call, which begins at the row `first`."""
    query, part = checked.query, slice(first, first + len(piece.labels))
    taken, records = query.taken.known if query.taken else None, checked.records[part]
    warned = {row - first: checked.warnings[row] for row in checked.warnings if part.start <= row < part.stop}
    return log_rows(
        query.live,
        ids=[str(uuid7()) for _ in records],
        features=[orjson.dumps(record).decode() for record in records],
        # columns with the first part, because finding their bins takes each part as long as all of them
        values=records if checked.arrays is None else None if first else checked.arrays,
        labels=piece.labels,
        proba=piece.proba,
        warnings=write_warnings(warned, len(records)),
        seconds=checked.seconds / len(checked.records) + piece.seconds / len(records),
        source=query.source,
        caller=query.caller,
        request_id=checked.request_id,
        created_at=now,
        references=taken and taken[part],
    )


def _pieces(checked: Checked) -> Iterable[Piece]:
    """Predictions for accepted rows in pieces. The first piece is scored now, and so are the others if they
    take long.

    The log's writer scores the other pieces while the database writes, and must not delay other calls.
    """
    live, records, arrays = checked.query.live, checked.records, checked.arrays
    loaded = live.loaded
    count = len(records)
    size = ROWS_OF_PART if arrays is not None and loaded.is_split_well(count) else count

    def score(first: int) -> Piece:
        began, part = time.perf_counter(), slice(first, first + size)
        if arrays is None:
            labels, proba = loaded.score(records)
        else:
            columns = {name: array[part] for name, array in arrays.items()}
            labels, proba = loaded.score_arrays(columns, min(size, count - first))
        metrics.engine_rows.observe(len(labels))
        return Piece(labels, proba, metrics.step("score", time.perf_counter() - began, live.classifier))

    piece, others = score(0), map(score, range(size, count, size))
    takes_long = piece.seconds * count / size > LONG_SECONDS
    return chain([piece], list(others) if takes_long else others)


def _log(checked: Checked, pieces: Iterable[Piece]) -> Iterator[LogRows]:
    """Rows of the log for scored records, in pieces."""
    first, now = 0, timezone.now()
    for piece in pieces:
        yield rows_of(checked, piece, first, now)
        first += len(piece.labels)


def count(live: Live, blocks: Iterable[LogRows | LogColumns], unseen: Sequence[str]) -> None:
    """Count logged predictions, and their values outside the training data by the code of the warning."""
    version, classes = str(live.number), live.contract.classes
    for block in blocks:
        for label, number in Counter(block.labels).items():
            shown = metrics.shown(label, classes)
            child(metrics.predictions_total, live.classifier, version, shown, block.source).inc(number)
    for code, number in Counter(unseen).items():
        child(metrics.warnings_total, live.classifier, code).inc(number)


def _check_each(
    live: Live,
    records: Sequence[Mapping[str, Any]],
    path: str | None = None,
    taken: references.Taken | None = None,
) -> list[list[FeatureProblem]]:
    """Return each record's warnings.

    Raises:
        InvalidInput: a record has an error, or a warning if the classifier is strict.
    """
    problems: dict[int, Sequence[FeatureProblem]] = {}
    warnings = []
    for row, record in enumerate(records):
        errors, warned = live.contract.check(record)
        if live.strict:
            errors = errors + warned
        if errors:
            problems[row] = errors
        warnings.append(warned)
    _refuse(live, len(records), problems, path, taken)
    return warnings


def _refuse(
    live: Live,
    count: int,
    errors: Mapping[int, Sequence[FeatureProblem]],
    path: str | None,
    taken: references.Taken | None = None,
) -> None:
    """Raise InvalidInput if any record or reference has errors, with the first errors in the order of rows."""
    strange = taken.problems if taken else {}
    if not errors and not strange:
        return
    if strange:
        of_row = {row: [*errors.get(row, ()), problem] for row, problem in strange.items()}
        errors = dict(sorted({**errors, **of_row}.items()))
    refusals.add(live.version_id, [of_row[0].code for of_row in errors.values()])
    what = "the record was refused" if count == 1 else f"{len(errors):,} of {count:,} records were refused"
    problems = ((row, problem) for row, of_row in errors.items() for problem in of_row)
    listed = [
        _error(row, problem, taken.path if taken and problem is strange.get(row) else path)
        for row, problem in islice(problems, MOST_ERRORS)
    ]
    raise InvalidInput(
        f"{what} by the contract of {live.classifier} version {live.number}; nothing was stored",
        listed,
        sum(map(len, errors.values())),
    )


def _error(row: int, problem: FeatureProblem, path: str | None) -> dict[str, Any]:
    error = {"row": row, **asdict(problem)}
    if path is not None:
        error["field"] = ".".join(filter(None, [path.format(row=row), problem.feature]))
    return error
