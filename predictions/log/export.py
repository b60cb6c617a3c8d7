"""The export of the log, read in pieces."""

from collections.abc import Iterator
from typing import Any

import orjson
from django.db.models import Prefetch

from clfsite.core.web import csv_output
from predictions.log.search import Wanted, walk
from predictions.models import Feedback, Prediction
from training.models import Classifier, Version

AT_ONCE = 2_000
# seconds; a stream occupies one of the few threads that serve pages
MOST = 1_000_000
HEADER = [
    *("id", "time", "classifier", "version", "label", "probability", "truth"),
    *("source", "caller", "latency_ms", "warnings", "reference"),
]


def write(
    wanted: Wanted, classifier: Classifier | None, *, oldest_first: bool = False, as_json: bool = False
) -> Iterator[str]:
    """Yield a CSV of all rows that a search finds, in pieces.

    Args:
        classifier: the classifier of the predictions; None for several. Each of their features has a column.
        as_json: put all features into one column as JSON instead.
    """
    names = [] if as_json else _features(classifier)
    features = ["features"] if as_json else names
    yield csv_output.text([csv_output.header([*csv_output.beside(HEADER, names), *features])])
    for page in walk(wanted, at_once=AT_ONCE, most=MOST, oldest_first=oldest_first):
        whole = Prediction.objects.select_related("version__classifier").only(
            *("id", "created_at", "label", "probability", "source", "caller", "warnings", "latency_ms"),
            *("reference", "features", "version__number", "version__classifier__name"),
        )
        in_force = Prefetch("feedback", Feedback.objects.in_force(), to_attr="truths")
        rows = whole.prefetch_related(in_force).in_bulk([row.pk for row in page])
        yield csv_output.text(
            csv_output.lines(_cells(rows[row.pk], names, as_json=as_json) for row in page if row.pk in rows)
        )


def _features(classifier: Classifier | None) -> list[str]:
    """The features of all versions of a classifier or of all classifiers, starting with the newest."""
    of_one = {"classifier": classifier} if classifier else {}
    contracts = Version.objects.filter(**of_one).order_by("classifier__name", "-number")
    named = contracts.values_list("contract_data__features", flat=True)
    return list(dict.fromkeys(feature["name"] for features in named for feature in features))


def _cells(row: Prediction, names: list[str], *, as_json: bool) -> list[Any]:
    truths: list[Feedback] = row.truths  # type: ignore[attr-defined]
    features = (
        [orjson.dumps(row.features).decode()] if as_json else [row.features.get(name) for name in names]
    )
    return [
        row.pk,
        row.created_at.isoformat(),
        row.version.classifier.name,
        row.version.number,
        row.label,
        row.probability,
        truths[0].label if truths else None,
        row.source,
        row.caller,
        row.latency_ms,
        "; ".join(f"{warning['feature']}: {warning['code']}" for warning in row.warnings),
        row.reference,
        *features,
    ]
