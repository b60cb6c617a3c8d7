"""The one way in for a prediction: contract check, score, record, answer."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from predictions import metrics, recorder
from predictions.live import Live, models
from predictions.models import Batch, Prediction
from training.errors import InvalidInput
from training.ml.contract import Issue


@dataclass(frozen=True)
class Answer:
    """Logged predictions in the order of the records, and the version that gave them."""

    live: Live
    predictions: list[Prediction]


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
    batch: Batch | None = None,
    first_row: int = 0,
) -> list[Prediction]:
    """Check and score records, without storing anything.

    Raises:
        InvalidInput: with every refused feature of every record.
    """
    began = time.perf_counter()
    warnings = _check(live, records)
    labels, proba = live.scorer.score(records)
    seconds = time.perf_counter() - began
    metrics.scoring_seconds.labels(live.classifier).observe(seconds)
    classes = live.contract.classes
    return [
        Prediction(
            version_id=live.version_id,
            features=dict(record),
            label=label,
            probability=float(row[classes.index(label)]),
            probabilities=dict(zip(classes, row.tolist(), strict=True)),
            warnings=[asdict(warning) for warning in warned],
            latency_ms=round(seconds * 1_000 / len(records), 4),
            source=source,
            caller=caller,
            batch=batch,
            row=first_row + position if batch else None,
        )
        for position, (record, label, row, warned) in enumerate(
            zip(records, labels, proba, warnings, strict=True)
        )
    ]


def commit(live: Live, predictions: Sequence[Prediction]) -> None:
    """Store scored predictions and count them."""
    with metrics.logging_seconds.labels(live.classifier).time():
        recorder.record(predictions)
    version = str(live.number)
    for prediction in predictions:
        metrics.predictions_total.labels(live.classifier, version, prediction.label, prediction.source).inc()
        for warning in prediction.warnings:
            metrics.warnings_total.labels(live.classifier, warning["code"]).inc()


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
