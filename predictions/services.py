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
from training.ml.contract import Issue


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
    warnings = _check(live, records)
    labels, proba = live.scorer.score(records)
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


def _check(live: Live, records: Sequence[Mapping[str, Any]]) -> list[list[Issue]]:
    """Return each record's warnings.

    Raises:
        InvalidInput: any record has an error, or a warning where the classifier is strict.
    """
    faults: list[dict[str, Any]] = []
    warnings = []
    for row, record in enumerate(records):
        errors, warned = live.contract.check(record)
        faults += [{"row": row, **asdict(error)} for error in (errors + warned if live.strict else errors)]
        warnings.append(warned)
    if faults:
        bad = len({fault["row"] for fault in faults})
        what = (
            "the record was refused" if len(records) == 1 else f"{bad} of {len(records)} records were refused"
        )
        raise InvalidInput(
            f"{what} by the contract of {live.classifier} version {live.number}; nothing was stored", faults
        )
    return warnings
