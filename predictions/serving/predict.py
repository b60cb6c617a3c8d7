"""The only entry point for predictions: contract check, scoring, log, answer."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import Any

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
from predictions.serving.batcher import Piece
from predictions.serving.live_models import Live, live_models
from training.ml.tables.checks import check_records, read_records
from training.ml.tables.contract import FeatureProblem

# records; from here on checks by column are faster than checks by record
ROWS_FOR_COLUMNS = 100
# rows that are scored and serialized while the database writes the rows before
ROWS_OF_PART = 100
# waiting requests from which rows are scored together; with fewer, a request is faster on its own
ROWS_OF_A_CROWD = 4
# seconds; slower scoring is done before the log is called
LONG_SECONDS = 0.01


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


def predict(
    *,
    records: Sequence[dict[str, Any]],
    source: Prediction.Source,
    caller: str,
    model: str | None = None,
    version: int | None = None,
    path: str | None = None,
    reference: Any = None,
    has_references: bool = False,
) -> Answer:
    """Answer and log records of JSON values with the active version, or the pinned one.

    Args:
        path: path of a record in the caller's body, with {row} for its number, used in errors.
        reference: the caller's own key of the only record, as a JSON value.
        has_references: whether the records may have such a key beside the features; see `references.name_in`.

    Raises:
        InvalidInput: a record does not fit the contract; nothing was stored. NotFound, Unavailable: see
        `LiveModels.get`.
    """
    live = live_models.get(model, version)
    taken = None if reference is None else references.take([reference])
    if has_references:
        records, taken = references.split(records, live.contract, path or "")
    rows = read_records(live.contract, records)
    scored = _score(live, rows, path, taken)
    known = taken.known if taken else None
    # here, because the writer of the log works outside of the call
    request_id = access_log.current_id() or None
    logged = _log(live, rows, scored, source=source, caller=caller, known=known, request_id=request_id)
    parts = Parts(len(rows), logged)
    _commit(live, parts, [warning.code for of_row in scored.warnings.values() for warning in of_row])
    return Answer(live, parts)


@dataclass(frozen=True)
class Tried:
    """The prediction for a record that was not logged."""

    label: str
    probability: float
    probabilities: dict[str, float]
    warnings: list[FeatureProblem]


def explore(*, live: Live, record: Mapping[str, Any]) -> Tried:
    """Check and score one record without logging, counting or timing it.

    Raises:
        InvalidInput: the record does not fit the contract.
    """
    records = read_records(live.contract, [record])
    (warnings,) = _check_each(live, records)
    (label,), proba = live.loaded.score(records)
    probabilities = dict(zip(live.contract.classes, proba[0].tolist(), strict=True))
    return Tried(label, probabilities[label], probabilities, warnings)


@dataclass(frozen=True)
class _Scored:
    """Accepted records: `warnings` by row if there are any, the seconds of the check, and predictions in pieces.

    `arrays` are the columns of the records if they were checked by column.
    """

    warnings: Mapping[int, Sequence[FeatureProblem]]
    seconds: float
    pieces: Iterable[Piece]
    arrays: Mapping[str, NDArray[Any]] | None = None


def _score(
    live: Live, records: Sequence[Mapping[str, Any]], path: str | None, taken: references.Taken | None
) -> _Scored:
    """Check records and their references, and begin to score them.

    Raises:
        InvalidInput: with every refused feature of every record.
    """
    began = time.perf_counter()
    if len(records) < ROWS_FOR_COLUMNS:
        each = _check_each(live, records, path, taken)
        warned = {row: warnings for row, warnings in enumerate(each) if warnings}
        seconds = time.perf_counter() - began
        call = live.batcher.add(records, at_once=group_commit.log.rows < ROWS_OF_A_CROWD)
        return _Scored(warned, seconds, map(live.batcher.piece, [call]))
    checked = check_records(live.contract, records, strict=live.strict)
    _refuse(live, len(records), checked.errors, path, taken)
    seconds = time.perf_counter() - began
    pieces = _pieces(live, checked.arrays, len(records))
    return _Scored(checked.warnings, seconds, pieces, checked.arrays)


def _pieces(live: Live, arrays: Mapping[str, NDArray[Any]], count: int) -> Iterable[Piece]:
    """Predictions for accepted rows in pieces. The first piece is scored now, and so are the others if they
    take long.

    The log's writer scores the other pieces, and must not delay other calls.
    """
    size = ROWS_OF_PART if live.loaded.is_split_well(count) else count

    def score(first: int) -> Piece:
        began, part = time.perf_counter(), slice(first, first + size)
        labels, proba = live.loaded.score_arrays(
            {name: array[part] for name, array in arrays.items()}, min(size, count - first)
        )
        return Piece(labels, proba, time.perf_counter() - began)

    piece, others = score(0), map(score, range(size, count, size))
    takes_long = piece.seconds * count / size > LONG_SECONDS
    return chain([piece], list(others) if takes_long else others)


def _log(
    live: Live,
    records: Sequence[Mapping[str, Any]],
    scored: _Scored,
    *,
    source: Prediction.Source,
    caller: str,
    known: Sequence[str | None] | None,
    request_id: str | None,
) -> Iterator[LogRows]:
    """Rows of the log for scored records, in pieces."""
    warnings, now = write_warnings(scored.warnings, len(records)), timezone.now()
    first, seconds = 0, scored.seconds
    # with the first part, because finding their bins takes each part as long as all of them
    values = records if scored.arrays is None else scored.arrays
    for labels, proba, taken in scored.pieces:
        piece = slice(first, first + len(labels))
        yield log_rows(
            live,
            ids=[str(uuid7()) for _ in labels],
            features=[orjson.dumps(record).decode() for record in records[piece]],
            values=None if first else values,
            labels=labels,
            proba=proba,
            warnings=warnings[piece],
            seconds=scored.seconds / len(records) + taken / len(labels),
            source=source,
            caller=caller,
            request_id=request_id,
            created_at=now,
            references=known and known[piece],
        )
        first, seconds = piece.stop, seconds + taken
    child(metrics.scoring_seconds, live.classifier).observe(seconds)


def _commit(live: Live, parts: Parts, unseen: Sequence[str]) -> None:
    """Store scored predictions and count them."""
    began = time.perf_counter()
    group_commit.record(parts)
    child(metrics.logging_seconds, live.classifier).observe(time.perf_counter() - began)
    count(live, parts, unseen)


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
