"""Datasets from the log: judged predictions become the next version of the table that a classifier was trained on."""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import DatabaseError, transaction
from django.utils import timezone

from clfsite.core.errors import InvalidInput, ProblemError, TooLarge
from predictions.alerts.models import Alert
from predictions.models import Feedback, Prediction, first_id
from predictions.retraining.models import Retraining
from training.datasets.service import import_dataset
from training.ml.files.options import Options
from training.ml.tables.checks import MISSING
from training.ml.tables.contract import Contract, Kind
from training.models import Classifier, Dataset, Run, Version
from training.runs.service import request_retrain

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)
PIECE = 2_000
# judged predictions below which nothing is trained by itself
ENOUGH = 100
# least time between two trainings that alerts start
PAUSE = timedelta(days=1)


def dataset_from_log(
    *,
    classifier: Classifier,
    since: datetime,
    until: datetime,
    with_table: bool,
    user: User | None = None,
    least: int = 1,
) -> Dataset:
    """Store the judged predictions of a span as the next version of the dataset of the active version.

    The inputs are those of the active version, or of the newest if none is active. Predictions of other versions whose inputs
    do not fit its contract are left out; the origin of the dataset counts them.

    Args:
        since, until: when the predictions were made; `until` is exclusive.
        with_table: whether to begin with the rows of the table that the version was trained on.
        least: judged predictions that are needed.

    Raises:
        InvalidInput: there is no version, or there are too few judged predictions. TooLarge: more than CLFSITE_SOURCE_ROWS.
    """
    version = base_version(classifier)
    contract = version.contract
    records, labels, left_out = _judged(classifier, contract, since, until)
    if len(records) < least:
        raise InvalidInput(
            f"{len(records):,} predictions of {classifier.name} with a true label are in this span; expected at least {least:,}"
        )
    content = _table(version, contract, records, labels, with_table=with_table)
    kept = {
        name
        for feature in contract.features
        for name in feature.categories
        if name in MISSING and name.strip()
    }
    dataset = version.run.dataset
    return import_dataset(
        name=dataset.name,
        target=contract.target,
        source=ContentFile(content),
        categories=contract.categories,
        options=Options(delimiter=",", encoding="utf-8", decimal=".", keep=tuple(sorted(kept))),
        positive=contract.positive,
        user=user,
        origin={
            "log": {
                "classifier": classifier.name,
                "since": _written(since),
                "until": _written(until),
                "rows": len(records),
                "left_out": left_out,
                "table": str(dataset) if with_table else None,
            },
            "at": _written(timezone.now()),
        },
    )


def base_version(classifier: Classifier) -> Version:
    """The active version, or the newest if none is active.

    Raises:
        InvalidInput: there is none.
    """
    versions = Version.objects.filter(classifier=classifier).select_related("classifier", "run__dataset")
    active = classifier.activation
    version = (
        versions.filter(pk=active.version_id).first() if active else versions.order_by("-number").first()
    )
    if version is None:
        raise InvalidInput(f"{classifier.name} has no version yet; train one first")
    return version


def _judged(
    classifier: Classifier, contract: Contract, since: datetime, until: datetime
) -> tuple[list[dict[str, Any]], list[str], int]:
    """The inputs and true labels of judged predictions, oldest first, and the number of those that do not fit."""
    records: list[dict[str, Any]] = []
    labels: list[str] = []
    left_out = 0
    for prediction, label in _pieces(classifier, since, until):
        record = {name: prediction.features[name] for name in contract.names if name in prediction.features}
        if contract.check(record)[0]:
            left_out += 1
            continue
        if len(records) >= settings.CLFSITE_SOURCE_ROWS:
            raise TooLarge(
                f"more than {settings.CLFSITE_SOURCE_ROWS:,} predictions with a true label (CLFSITE_SOURCE_ROWS); "
                "choose a shorter span"
            )
        records.append(record)
        labels.append(label)
    return records, labels, left_out


def _pieces(classifier: Classifier, since: datetime, until: datetime) -> Iterator[tuple[Prediction, str]]:
    versions = list(Version.objects.filter(classifier=classifier).values_list("pk", flat=True))
    rows = Feedback.objects.in_force().filter(prediction_id__lt=first_id(until))
    start = first_id(since)
    while True:
        piece = dict(
            rows.filter(prediction_id__gte=start)
            .order_by("prediction_id")
            .values_list("prediction_id", "label")[:PIECE]
        )
        if not piece:
            return
        predictions = Prediction.objects.filter(pk__in=piece, version__in=versions).only("features")
        for prediction in predictions.order_by("pk"):
            yield prediction, piece[prediction.pk]
        start = type(start)(int=max(piece).int + 1)


def _table(
    version: Version,
    contract: Contract,
    records: list[dict[str, Any]],
    labels: list[str],
    *,
    with_table: bool,
) -> bytes:
    """The rows as CSV: the inputs of the contract, and the target."""
    # imported here, because pandas slows down the start of the site
    import pandas as pd

    from training.datasets.frames import load_table
    from training.ml.tables.contract import with_label

    parts, truths = [contract.frame(records)], [pd.Series(labels, dtype=object)]
    if with_table:
        table = with_label(load_table(version.run.dataset, version.run.corrections), contract.target)
        parts.insert(0, contract.prepare(table))
        truths.insert(0, contract.labels_of(table))
    frame = pd.concat(parts, ignore_index=True)
    written = {feature.name: _cells(frame[feature.name], feature.kind) for feature in contract.features}
    written[contract.target] = pd.concat(truths, ignore_index=True)
    return pd.DataFrame(written).to_csv(index=False, lineterminator="\n").encode()


def _cells(column: "pd.Series", kind: Kind) -> "pd.Series":
    if kind is Kind.BOOLEAN:
        return column.map({1.0: "true", 0.0: "false"})
    if kind is Kind.INTEGER:
        return column.map(lambda value: str(int(value)), na_action="ignore")
    if kind is Kind.DATE:
        return column.map(lambda moment: moment.isoformat(), na_action="ignore")
    return column


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def retrain_all() -> None:
    """Start the trainings that are due; called by a worker every hour."""
    for setting in Retraining.objects.select_related("classifier").filter(classifier__archived_at=None):
        try:
            retrain(setting)
        except DatabaseError:
            raise
        except ProblemError as error:
            _note(setting, str(error))
        except Exception:
            logger.exception("%s could not be trained again", setting.classifier)
            _note(setting, "it failed; see the log of the worker")


def retrain(setting: Retraining) -> Run | None:
    """Start a training on judged predictions if it is due; its version is not activated.

    Returns:
        The run; None if none is due, one is under way, or nothing is new.

    Raises:
        ProblemError: the dataset could not be made or trained on.
    """
    now = timezone.now()
    if not _is_due(setting, now) or not _claim(setting, now):
        return None
    classifier = setting.classifier
    if Run.objects.filter(classifier=classifier, state__in=(Run.State.QUEUED, Run.State.RUNNING)).exists():
        _note(setting, "a run is already under way")
        return None
    dataset = dataset_from_log(
        classifier=classifier,
        since=now - timedelta(days=setting.days),
        until=now,
        with_table=setting.with_table,
        least=ENOUGH,
    )
    if Run.objects.filter(classifier=classifier, dataset=dataset).exists():
        _note(setting, f"nothing is new: {dataset} was already trained on")
        return None
    run = request_retrain(version=base_version(classifier), dataset=dataset, activate=False)
    _note(setting, f"{run} on {dataset}")
    return run


def _is_due(setting: Retraining, now: datetime) -> bool:
    since = None if setting.last_at is None else now - setting.last_at
    if setting.every_days and (since is None or since >= timedelta(days=setting.every_days)):
        return True
    if not setting.on_alert or (since is not None and since < PAUSE):
        return False
    alerts = Alert.objects.filter(classifier=setting.classifier, state=Alert.State.OPEN)
    # an alert starts one training
    return (alerts.filter(opened_at__gt=setting.last_at) if setting.last_at else alerts).exists()


def _claim(setting: Retraining, now: datetime) -> bool:
    """Whether this worker is the one to do it."""
    with transaction.atomic():
        rows = Retraining.objects.filter(pk=setting.pk, last_at=setting.last_at)
        return bool(rows.update(last_at=now))


def _note(setting: Retraining, result: str) -> None:
    Retraining.objects.filter(pk=setting.pk).update(last_result=result[:500])
