"""The shape in which API and command return an evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any

from predictions.monitoring.evaluation.facts import Evaluation


def to_json(evaluation: Evaluation, alerts: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The evaluation as the API returns it."""
    accuracy, data = evaluation.accuracy, evaluation.quality
    estimated, measured = accuracy.estimated, accuracy.measured
    return {
        "model": evaluation.classifier,
        "version": evaluation.version,
        "window": {
            "from": evaluation.since,
            "until": evaluation.until,
            "predictions": evaluation.predictions,
        },
        "status": evaluation.status,
        "columns": [
            {
                "name": column.name,
                "kind": column.kind,
                "moved": column.moved,
                "shift": column.shift,
                "p": column.p,
                "importance": column.importance,
                "since": column.since,
            }
            for column in evaluation.columns
        ],
        **{
            name: {"moved": mix.moved, "shift": mix.shift, "p": mix.p}
            for name, mix in (
                ("label_mix", evaluation.label_mix),
                ("probabilities", evaluation.probabilities),
            )
        },
        "quality": {
            "refused": data.refused,
            "missing": data.missing,
            "unseen": data.unseen,
            "out_of_range": data.out_of_range,
        },
        "accuracy": {
            "estimated": estimated
            and {
                "value": estimated.value,
                "low": estimated.low,
                "high": estimated.high,
                "holds": estimated.holds,
            },
            "measured": measured
            and {
                "value": measured.value,
                "low": measured.low,
                "high": measured.high,
                "feedback": measured.feedback,
            },
        },
        "alerts": list(alerts),
    }
