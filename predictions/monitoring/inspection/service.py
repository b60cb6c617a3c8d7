"""The inspection of a version: what only the rows of the log tell, computed from samples by a worker.

Pages, API and alerts read what was stored, so no request reads the log.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.db import DatabaseError
from django.utils import timezone
from numpy.typing import NDArray

from clfsite.core.errors import ProblemError
from predictions.models import HourlyCount
from predictions.monitoring import counts
from predictions.monitoring.evaluation.shifts import groups_of
from predictions.monitoring.inspection.models import Inspection
from predictions.monitoring.inspection.sample import Logged, at_random, with_truth
from training.ml.tables.contract import Contract, with_label
from training.ml.watch import judged as judging
from training.ml.watch.bins import Binner
from training.ml.watch.shares import Share
from training.ml.watch.shift import ENOUGH_ROWS
from training.ml.watch.whole_table import MOST_ROWS, compare
from training.models import Activation, Version

logger = logging.getLogger(__name__)
NAME, EVERY = "inspection", timedelta(hours=6)
# spans and sizes of the samples
COMPARED, JUDGED = timedelta(days=7), timedelta(days=30)
MOST_COMPARED, MOST_JUDGED = 10_000, 20_000
# segments that are stored
MOST_SEGMENTS = 50
DAY = timedelta(days=1)


def inspect_all(is_stopping: Callable[[], bool] = lambda: False) -> dict[str, Any] | None:
    """Inspect all active versions; None if it was stopped. A classifier that fails does not stop the others."""
    active = Activation.objects.in_force().filter(classifier__archived_at=None)
    done = 0
    for pk in active.values_list("version", flat=True):
        if is_stopping():
            return None
        try:
            inspect(Version.objects.select_related("classifier", "run__dataset").get(pk=pk))
            done += 1
        except DatabaseError:
            raise
        except Exception:
            logger.exception("version %s could not be inspected", pk)
    return {"versions": done}


def inspect(version: Version, now: datetime | None = None) -> Inspection:
    """Inspect a version, and store what was found.

    Args:
        version: loaded with its classifier and its run's dataset.
    """
    end = now or timezone.now()
    counts.bring_up_to_date()
    drawn = at_random(version, end - COMPARED, end, MOST_COMPARED)
    known = with_truth(version, end - JUDGED, MOST_JUDGED)
    rows = _Rows(version, drawn, known)
    findings = {
        "drawn": len(drawn),
        "judged": len(known),
        "roc_auc": _written(rows.auc(slice(None))),
        "days": _days(rows, known),
        **_segments(rows),
        "protected": [_protected(rows, name) for name in rows.protected],
        "whole_table": _whole_table(version, rows.contract, drawn, end),
    }
    earlier = Inspection.objects.filter(version=version).first()
    since = earlier.differs_since if earlier else None
    whole = findings["whole_table"]
    inspection, _ = Inspection.objects.update_or_create(
        version=version,
        defaults={
            "made_at": end,
            "findings": findings,
            "differs_since": (since or end) if whole and whole["differs"] else None,
        },
    )
    return inspection


def _whole_table(
    version: Version, contract: Contract, drawn: Sequence[Logged], end: datetime
) -> dict[str, Any] | None:
    """How well rows of the log can be told from those of training; None if there are too few, or no table."""
    if len(drawn) < ENOUGH_ROWS:
        return None
    # imported here, because pandas slows down the start of the site
    from training.datasets.frames import load_table

    dataset = version.run.dataset
    try:
        table = with_label(load_table(dataset, version.run.corrections), contract.target)
    except ProblemError:  # its file was removed
        return None
    rows = table.sample(min(len(table), MOST_ROWS), random_state=0)
    found = compare(contract.prepare(rows), contract.frame([row.features for row in drawn]), contract)
    if found is None:
        return None
    # without a whole week, a day of the week may be all that differs
    covers_week = HourlyCount.objects.filter(version=version, hour__lte=end - COMPARED + DAY).exists()
    return {
        "differs": found.differs and covers_week,
        "roc_auc": _written(found.auc),
        "p": found.p,
        "columns": list(found.columns),
    }


class _Rows:
    """Both samples as arrays: bins by column, and classes by their index."""

    def __init__(self, version: Version, drawn: Sequence[Logged], known: Sequence[Logged]) -> None:
        contract = version.contract
        self.contract, self.bins = contract, version.reference.bins
        self.protected = [name for name in contract.protected if name in self.column_names]
        binner = Binner(self.bins, contract)
        self.drawn, self.known = (_places(binner, contract, rows) for rows in (drawn, known))
        index = {label: place for place, label in enumerate(contract.classes)}
        self.drawn_label = _classes(index, [row.label for row in drawn])
        self.known_label = _classes(index, [row.label for row in known])
        self.truth = _classes(index, [row.truth for row in known])
        self.proba = np.array(
            [[row.probabilities[label] for label in contract.classes] for row in known], dtype=np.float64
        ).reshape(len(known), len(contract.classes))
        self.positive = None if contract.positive is None else index[contract.positive]

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.bins.columns]

    def auc(self, rows: slice | list[int]) -> Share | None:
        return judging.roc_auc(self.truth[rows], self.proba[rows], self.positive)


def _places(binner: Binner, contract: Contract, rows: Sequence[Logged]) -> NDArray[np.intp]:
    if not rows or not binner.bins.columns:
        return np.empty((len(rows), len(binner.bins.columns)), dtype=np.intp)
    frame = contract.frame([row.features for row in rows])
    return binner.by_column({name: frame[name].to_numpy() for name in contract.names})


def _classes(index: dict[str, int], labels: Sequence[str]) -> NDArray[np.intp]:
    return np.array([index[label] for label in labels], dtype=np.intp)


def _days(rows: _Rows, known: Sequence[Logged]) -> list[dict[str, Any]]:
    """The ROC-AUC of each day with enough predictions that have a true label."""
    by_day: dict[date, list[int]] = defaultdict(list)
    for place, row in enumerate(known):
        by_day[row.created_at.date()].append(place)
    return [
        {"day": day.isoformat(), "roc_auc": _written(rows.auc(places))}
        for day, places in sorted(by_day.items())
        if len(places) >= judging.ENOUGH
    ]


def _segments(rows: _Rows) -> dict[str, Any]:
    found = judging.segments(rows.bins, rows.known, rows.truth == rows.known_label)
    names = {column.name: groups_of(column) for column in rows.bins.columns}
    segments = [
        {
            "column": rows.column_names[segment.column],
            "group": names[rows.column_names[segment.column]][segment.bin],
            "worse": segment.is_worse,
            "accuracy": _written(segment.accuracy),
        }
        for segment in found[:MOST_SEGMENTS]
    ]
    return {"segments": segments, "segments_looked_at": len(found)}


def _protected(rows: _Rows, name: str) -> dict[str, Any]:
    place = rows.column_names.index(name)
    column = rows.bins.columns[place]
    classes = rows.contract.classes
    groups = judging.by_group(
        column.size,
        (rows.drawn[:, place], rows.drawn_label),
        (rows.known[:, place], rows.truth, rows.known_label),
        len(classes),
        rows.positive,
    )
    titles = groups_of(column)
    return {
        "column": name,
        "groups": [
            {
                "group": titles[group.bin],
                "predictions": group.predictions,
                "rates": {label: _written(rate) for label, rate in zip(classes, group.rates, strict=True)},
                "accuracy": _written(group.scores.accuracy),
                "precision": _written(group.scores.precision),
                "recall": _written(group.scores.recall),
            }
            for group in groups
        ],
    }


def _written(share: Share | None) -> dict[str, Any] | None:
    """A share as JSON values."""
    return None if share is None else asdict(share)
