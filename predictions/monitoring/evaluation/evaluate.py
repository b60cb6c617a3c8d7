"""The one evaluation of a version over a window, used by page, API, command and alerts.

Everything is computed from counts by hour: `HourlyBin` for inputs and predictions, `FeedbackCount` for true labels,
`HourlyRefusal` for refused records. The log itself is never read.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
from django.utils import timezone

from predictions.models import hour_of
from predictions.monitoring import bins as binned
from predictions.monitoring.counts import bring_up_to_date
from predictions.monitoring.evaluation.accuracy import accuracy_of
from predictions.monitoring.evaluation.data_quality import data_quality
from predictions.monitoring.evaluation.facts import Evaluation
from predictions.monitoring.evaluation.shifts import HOUR, WEEK, WEEKS_BEFORE, distributions
from training.models import Classifier, Version
from training.versions.decisions import decided

# share of refused records that needs attention
MANY_REFUSED = 0.05


def active_version(classifier: Classifier) -> Version | None:
    """The active version of a classifier, with what an evaluation reads."""
    activation = classifier.activation
    if activation is None:
        return None
    version = Version.objects.select_related("classifier", "run__dataset")
    return version.get(pk=activation.version_id)


def evaluate(version: Version, *, days: int = 7, until: datetime | None = None) -> Evaluation:
    """Evaluate a version over the days until a moment.

    Args:
        version: loaded with its classifier.
        until: now if it is None.
    """
    end = until or timezone.now()
    bring_up_to_date()
    reference = version.reference
    decision = decided([version.pk]).get(version.pk)
    if decision:
        predicted = np.array(decision.confusion).sum(axis=0)
        reference = replace(reference, predicted=tuple(predicted.tolist()))
    since = hour_of(end - timedelta(days=days)) + HOUR
    hours = binned.read(
        version.pk, reference.bins.size, since - WEEKS_BEFORE * WEEK, end if until else end + HOUR
    )
    counts = hours.between(since, end + HOUR)
    cells = reference.bins.cells(counts)
    predictions = int(cells.sum())
    columns, label_mix, probabilities = distributions(version, reference, hours, since, end)
    data = data_quality(version, reference, counts, hours, since, end)
    accuracy = accuracy_of(version, reference, counts, since, end, decision)
    evaluation = Evaluation(
        classifier=version.classifier.name,
        version=version.number,
        since=end - timedelta(days=days),
        until=end,
        predictions=predictions,
        columns=columns,
        label_mix=label_mix,
        probabilities=probabilities,
        quality=data,
        accuracy=accuracy,
    )
    is_otherwise = decision and (not decision.as_trained or (decision.since and decision.since > since))
    return _with_problems(_without_labels(evaluation) if is_otherwise else evaluation)


def _without_labels(evaluation: Evaluation) -> Evaluation:
    """Leave out what compares labels with those of the held-out rows, which another threshold or other costs decided."""
    label_mix, probabilities = (
        replace(moved, moved=False, since=None, is_lasting=False)
        for moved in (evaluation.label_mix, evaluation.probabilities)
    )
    estimated = evaluation.accuracy.estimated
    if estimated:
        why = "the threshold or the costs were changed, and the held-out rows were labelled without that"
        estimated = replace(estimated, holds=False, why=why)
    accuracy = replace(evaluation.accuracy, estimated=estimated)
    return replace(evaluation, label_mix=label_mix, probabilities=probabilities, accuracy=accuracy)


def _with_problems(evaluation: Evaluation) -> Evaluation:
    """Add what needs attention, as short codes."""
    data, accuracy = evaluation.quality, evaluation.accuracy
    problems = {
        "drift": any(column.moved for column in evaluation.columns),
        "label_mix": evaluation.label_mix.moved,
        "probabilities": evaluation.probabilities.moved,
        "refused": data.refused > MANY_REFUSED,
        "constant": bool(data.constant),
        "silence": data.silent_since is not None,
        "never_given": bool(data.never_given),
        "accuracy": accuracy.measured is not None and accuracy.measured.dropped,
    }
    found = tuple(name for name, is_there in problems.items() if is_there)
    return Evaluation(**{**vars(evaluation), "problems": found})
