"""How versions decide where an activation gave a threshold or costs, and how the held-out rows are labelled by that."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from django.db.models import QuerySet

from training.ml.judge import costs as judged
from training.ml.judge.costs import Costs
from training.ml.judge.decision import Decision
from training.models import Activation, Version
from training.versions.costs import of_held_out


@dataclass(frozen=True)
class Decided:
    """The newest decision of a version.

    Attributes:
        as_trained: whether it labels as at training.
        since: when it began to decide so, if it decided otherwise before.
        accuracy: on held-out rows labelled so; with costs in more than two classes, on a sample of cross-validated rows.
        confusion: of these rows, with true classes as rows. Both are those of training where too little was kept.
    """

    as_trained: bool
    since: datetime | None
    accuracy: float
    confusion: list[list[int]]


def decided(versions: Collection[int] | QuerySet[Any]) -> dict[int, Decided]:
    """The newest decisions of those versions that decide otherwise than at training, or did so at any time."""
    rows = Activation.objects.filter(version__in=versions).order_by("version", "number")
    found = {}
    for pk, activations in groupby(
        rows.values_list("version", "version__threshold", "threshold", "costs_data", "created_at"),
        key=itemgetter(0),
    ):
        times, given = [], []
        for _, own, threshold, costs, at in activations:
            times.append(at)
            given.append(costs if own is None else own if threshold is None else threshold)
        trained: Any = {} if own is None else own
        if any(decision != trained for decision in given):
            others = [place for place, decision in enumerate(given) if decision != given[-1]]
            found[pk] = (given[-1], given[-1] == trained, times[others[-1] + 1] if others else None)
    loaded = Version.objects.defer(*Version.bulky("contract_data", "held_out", "out_of_fold")).in_bulk(found)
    return {pk: _of(loaded[pk], *of) for pk, of in found.items()}


def _of(version: Version, decision: Any, as_trained: bool, since: datetime | None) -> Decided:
    confusion = None if as_trained else _confusion(version, decision)
    if confusion is None:
        return Decided(as_trained, since, version.metrics["accuracy"], version.held_out["confusion"])
    right = sum(row[place] for place, row in enumerate(confusion))
    return Decided(as_trained, since, right / sum(map(sum, confusion)), confusion)


def _confusion(version: Version, decision: Any) -> list[list[int]] | None:
    """The confusion of rows labelled by a threshold or by costs; None if none were kept."""
    contract = version.contract
    if contract.positive is not None:
        held_out = of_held_out(version)
        if held_out is None:
            return None
        confusion = judged.confusion_at(held_out, decision)
        is_last = contract.classes[-1] == contract.positive
        return confusion if is_last else [row[::-1] for row in confusion[::-1]]
    stored = version.out_of_fold.get("trade_off")
    if not stored or not decision:
        return None
    costs = Costs.from_dict(decision, contract.classes)
    labels = Decision(contract.classes, costs=costs.matrix).places(np.array(stored["proba"]))
    size = len(contract.classes)
    cells = np.bincount(np.array(stored["truth"]) * size + labels, minlength=size * size)
    matrix: list[list[int]] = cells.reshape(size, size).tolist()
    return matrix
