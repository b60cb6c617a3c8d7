"""The way of one call, step by step: check, score, rows of the log, commit, answer.

`predict` goes it in one thread. On the event loop, `predictions.serving.batcher` shares its steps among the calls of a
turn. The views read the call before, and write the answer after.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import numpy as np
import orjson
from django.utils import timezone
from numpy.typing import NDArray
from uuid_utils import uuid7

from clfsite.core.errors import InvalidInput
from clfsite.core.requests import access_log
from clfsite.core.web.deferred import deferred
from clfsite.core.web.metrics import child
from clfsite.core.web.problems import MOST_ERRORS
from predictions.log import references
from predictions.log.writing import group_commit
from predictions.log.writing.build import log_rows, write_warnings
from predictions.log.writing.columns import LogColumns
from predictions.log.writing.rows import LogRows
from predictions.models import Prediction
from predictions.monitoring import refusals
from predictions.serving import metrics
from predictions.serving.live_models import Live
from predictions.serving.sets import set_of
from training.ml.tables.checks import check_records, read_records
from training.ml.tables.contract import FeatureProblem

# records; from here on checks by column are faster than checks by record
ROWS_FOR_COLUMNS = 100
T = TypeVar("T")


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


class Scored(NamedTuple):
    """Predictions of the rows of a call: length (rows,), shape (rows, classes), and the seconds that they took."""

    labels: Sequence[str]
    proba: NDArray[np.float64]
    seconds: float


@dataclass(frozen=True)
class Answer:
    """Logged predictions in the order of the records, with their version."""

    live: Live
    rows: LogRows

    @property
    def proba(self) -> list[list[float]]:
        """Probabilities by record and class, in the contract's order of classes."""
        return [list(orjson.loads(text).values()) for text in self.rows.probabilities]


def predict(query: Query, write: Callable[[Answer], T]) -> T:
    """Answer and log records in this thread.

    Args:
        write: writes the answer while the database stores the rows; it is returned once they are stored.

    Raises:
        InvalidInput: a record does not fit the contract; nothing was stored. Unavailable: the log did not take them.
    """
    live, checked = query.live, check(query)
    rows = rows_of(checked, score(checked), timezone.now())
    began = time.perf_counter()
    written = group_commit.record(rows, lambda: write(Answer(live, rows)))
    metrics.step("commit", time.perf_counter() - began, live.classifier)
    count(live, rows, checked.unseen)
    return written


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


def score(checked: Checked) -> Scored:
    """Score the accepted records of a call in one call of the engine."""
    began, live, arrays = time.perf_counter(), checked.query.live, checked.arrays
    if arrays is None:
        labels, proba = live.loaded.score(checked.records)
    else:
        labels, proba = live.loaded.score_arrays(arrays, len(checked.records))
    deferred.change(metrics.engine_rows, len(labels))
    return Scored(labels, proba, metrics.step("score", time.perf_counter() - began, live.classifier))


def rows_of(checked: Checked, scored: Scored, now: datetime) -> LogRows:
    """The rows of a call for the log."""
    query, records = checked.query, checked.records
    return log_rows(
        query.live,
        ids=[str(uuid7()) for _ in records],
        features=records,
        arrays=checked.arrays,
        labels=scored.labels,
        proba=scored.proba,
        warnings=write_warnings(checked.warnings, len(records)),
        seconds=(checked.seconds + scored.seconds) / len(records),
        source=query.source,
        caller=query.caller,
        request_id=checked.request_id,
        created_at=now,
        references=query.taken.known if query.taken else None,
    )


def count(live: Live, rows: LogRows | LogColumns, unseen: Sequence[str]) -> None:
    """Count logged predictions, and their values outside the training data by the code of the warning."""
    version, classes = str(live.number), live.contract.classes
    for label, number in Counter(rows.labels).items():
        shown = metrics.shown(label, classes)
        series = child(metrics.predictions_total, live.classifier, version, shown, rows.source)
        deferred.change(series, number)
    for code, number in Counter(unseen).items():
        deferred.change(child(metrics.warnings_total, live.classifier, code), number)


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
