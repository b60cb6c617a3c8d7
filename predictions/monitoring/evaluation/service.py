"""What can be evaluated, and an evaluation with its alerts."""

from typing import Any

from clfsite.core.errors import NotFound, Unavailable
from predictions.alerts.models import Alert
from predictions.monitoring.evaluation.answer import to_json
from predictions.monitoring.evaluation.evaluate import active_version
from predictions.monitoring.evaluation.facts import Evaluation
from predictions.monitoring.evaluation.models import LastEvaluation
from predictions.monitoring.inspection.look import look
from training.models import Classifier, Version

# days of a window
MOST_DAYS = 90


def active(name: str) -> Version:
    """The active version of a classifier.

    Raises:
        NotFound: there is no such classifier, or it is archived. Unavailable: no version is active.
    """
    classifier = Classifier.objects.filter(name=name, archived_at=None).first()
    if classifier is None:
        raise NotFound(f"there is no classifier {name[:100]!r}")
    version = active_version(classifier)
    if version is None:
        raise Unavailable(f"no version of {name} is active; activate one to monitor it")
    return version


def as_json(version: Version, evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation of a version with its open alerts and its newest inspection, as API and command return it."""
    alerts = [
        {
            "id": alert.pk,
            "rule": alert.rule,
            "column": alert.subject or None,
            "state": alert.state,
            "since": alert.opened_at,
        }
        for alert in Alert.objects.open().filter(version=version).order_by("id")
    ]
    return {**to_json(evaluation, alerts), **look(version, evaluation.until).to_json()}


def keep(version: Version, days: int, evaluation: Evaluation) -> None:
    """Keep the shifts of an evaluation for the metrics, instead of those of the one before."""
    mixes = {"label_mix": evaluation.label_mix, "probabilities": evaluation.probabilities}
    known = [column.shift for column in evaluation.columns if column.shift is not None]
    estimated = evaluation.accuracy.estimated
    LastEvaluation.objects.update_or_create(
        version=version,
        days=days,
        defaults={
            "made_at": evaluation.until,
            "predictions": evaluation.predictions,
            "moved": {
                "inputs": sum(column.is_lasting for column in evaluation.columns),
                **{name: int(mix.is_lasting) for name, mix in mixes.items()},
            },
            "shifts": {
                **({"inputs": max(known)} if known else {}),
                **{name: mix.shift for name, mix in mixes.items() if mix.shift is not None},
            },
            "estimated_accuracy": estimated.value if estimated else None,
            "estimate_holds": bool(estimated and estimated.holds),
        },
    )


def watched() -> list[str]:
    """The names of the classifiers with an active version."""
    served = Classifier.objects.filter(archived_at=None, activations__isnull=False)
    return list(served.distinct().order_by("name").values_list("name", flat=True))
