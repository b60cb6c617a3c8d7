"""The one way in for a prediction: contract check, score, record, answer."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.utils import timezone
from uuid_utils import uuid7

from predictions import metrics, recorder
from predictions.entries import Entry
from predictions.live import Live, models
from predictions.models import Prediction
from training.errors import InvalidInput
from training.ml.columns import check_records
from training.ml.contract import Issue

# from here on the checks by column are faster than those by record
ROWS_FOR_COLUMNS = 100


@dataclass(frozen=True)
class Answer:
    """Logged predictions in the order of the records, and the version that gave them."""

    live: Live
    predictions: list[Entry]


def predict(
    *,
    records: Sequence[Mapping[str, Any]],
    source: Prediction.Source,
    caller: str,
    model: str | None = None,
    version: int | None = None,
) -> Answer:
    """Answer records of JSON values with the active version, or the pinned one.

    Raises:
        InvalidInput: the contract refuses a record; nothing was stored. NotFound, Unavailable: see `LiveModels.get`.
    """
    live = models.get(model, version)
    predictions = score(live=live, records=records, source=source, caller=caller)
    commit(live, predictions)
    return Answer(live, predictions)


@dataclass(frozen=True)
class Tried:
    """What the answer to a record would be."""

    label: str
    probability: float
    probabilities: dict[str, float]
    warnings: list[Issue]


def explore(*, live: Live, record: Mapping[str, Any]) -> Tried:
    """Check and score one record to see the answer, without a trace: not logged, not counted, not timed.

    Raises:
        InvalidInput: the contract refuses the record.
    """
    (warnings,) = _check_each(live, [record])
    (label,), proba = live.scorer.score([record])
    probabilities = dict(zip(live.contract.classes, proba[0].tolist(), strict=True))
    return Tried(label, probabilities[label], probabilities, warnings)


def score(
    *,
    live: Live,
    records: Sequence[Mapping[str, Any]],
    source: Prediction.Source,
    caller: str,
    batch: int | None = None,
    first_row: int = 0,
) -> list[Entry]:
    """Check and score records, without storing anything.

    Raises:
        InvalidInput: with every refused feature of every record.
    """
    began = time.perf_counter()
    warnings: Sequence[Sequence[Issue]]
    if len(records) < ROWS_FOR_COLUMNS:
        warnings = _check_each(live, records)
        labels, proba = live.scorer.score(records)
    else:
        checked = check_records(live.contract, records, strict=live.strict)
        _refuse(live, len(records), checked.errors)
        warnings = [checked.warnings.get(row, ()) for row in range(len(records))]
        labels, proba = live.scorer.score_arrays(checked.arrays, len(records))
    seconds = time.perf_counter() - began
    metrics.child(metrics.scoring_seconds, live.classifier).observe(seconds)
    classes = live.contract.classes
    positions = {label: position for position, label in enumerate(classes)}
    latency_ms = round(seconds * 1_000 / len(records), 4)
    now = timezone.now()
    return [
        Entry(
            id=str(uuid7()),
            version_id=live.version_id,
            features=dict(record),
            label=label,
            probability=row[positions[label]],
            probabilities=dict(zip(classes, row, strict=True)),
            warnings=[asdict(warning) for warning in warned],
            latency_ms=latency_ms,
            source=source,
            caller=caller,
            created_at=now,
            batch_id=batch,
            row=None if batch is None else first_row + position,
        )
        for position, (record, label, row, warned) in enumerate(
            zip(records, labels, proba.tolist(), warnings, strict=True)
        )
    ]


def commit(live: Live, predictions: Sequence[Entry]) -> None:
    """Store scored predictions and count them."""
    began = time.perf_counter()
    recorder.record(predictions)
    metrics.child(metrics.logging_seconds, live.classifier).observe(time.perf_counter() - began)
    version, classes = str(live.number), live.contract.classes
    for (label, source), count in Counter((each.label, each.source) for each in predictions).items():
        shown = metrics.shown(label, classes)
        metrics.child(metrics.predictions_total, live.classifier, version, shown, source).inc(count)
    for warning in (warning for each in predictions for warning in each.warnings):
        metrics.child(metrics.warnings_total, live.classifier, warning["code"]).inc()


def _check_each(live: Live, records: Sequence[Mapping[str, Any]]) -> list[list[Issue]]:
    """Return each record's warnings.

    Raises:
        InvalidInput: any record has an error, or a warning where the classifier is strict.
    """
    found: dict[int, Sequence[Issue]] = {}
    warnings = []
    for row, record in enumerate(records):
        errors, warned = live.contract.check(record)
        if live.strict:
            errors = errors + warned
        if errors:
            found[row] = errors
        warnings.append(warned)
    _refuse(live, len(records), found)
    return warnings


def _refuse(live: Live, count: int, errors: Mapping[int, Sequence[Issue]]) -> None:
    """Raise InvalidInput where any of so many records has errors, with all of them by row."""
    if not errors:
        return
    what = "the record was refused" if count == 1 else f"{len(errors)} of {count} records were refused"
    raise InvalidInput(
        f"{what} by the contract of {live.classifier} version {live.number}; nothing was stored",
        [{"row": row, **asdict(error)} for row, found in errors.items() for error in found],
    )
