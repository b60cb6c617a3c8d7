"""How good predictions are, as far as their true labels are known: over all of them, by segment, and by protected group."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.ml.watch.bins import Bins
from training.ml.watch.shares import NORMAL_95, Share, around, is_below, share

# predictions with a true label from which a segment is judged
ENOUGH = 50
# error that all intervals of the segments have together
ERROR = 0.05


@dataclass(frozen=True)
class Scores:
    """Metrics with 95 % intervals; None where they are not defined, as precision is without a positive prediction.

    Precision and recall are those of the positive class, and with more than two classes the mean over the classes.
    """

    accuracy: Share | None
    precision: Share | None
    recall: Share | None


def scores(confusion: NDArray[np.int64], positive: int | None) -> Scores:
    """Return the metrics of a confusion matrix with true classes in its rows.

    Args:
        positive: the index of the positive class; None with more than two classes.
    """
    right, total = confusion.diagonal(), int(confusion.sum())
    classes = range(len(right)) if positive is None else [positive]
    called, true = confusion.sum(axis=0), confusion.sum(axis=1)
    return Scores(
        share(int(right.sum()), total) if total else None,
        _mean([(int(right[place]), int(called[place])) for place in classes]),
        _mean([(int(right[place]), int(true[place])) for place in classes]),
    )


def _mean(parts: Sequence[tuple[int, int]]) -> Share | None:
    """The mean of the shares of classes that have rows, which are different rows for each class."""
    known = [share(hits, rows) for hits, rows in parts if rows]
    if len(known) <= 1:
        return known[0] if known else None
    # half the length of an interval, as its deviations would be in a normal distribution
    variance = sum(((part.high - part.low) / 2 / NORMAL_95) ** 2 for part in known) / len(known) ** 2
    return around(sum(part.value for part in known) / len(known), variance, sum(part.rows for part in known))


def roc_auc(truth: NDArray[np.intp], proba: NDArray[np.float64], positive: int | None) -> Share | None:
    """Return the ROC-AUC with its interval by Hanley and McNeil; None if no class has both hits and misses.

    With more than two classes it is the mean of one class against the rest, over the classes that have rows. Their errors
    are taken as if they went together, so the interval is rather too long.

    Args:
        truth: true classes, shape (rows,). proba: shape (rows, classes).
    """
    from training.ml.judge.metrics import (
        Ranked,
    )  # imported here, because scikit-learn slows down the start of the site

    places = range(proba.shape[1]) if positive is None else [positive]
    values, errors = [], []
    for place in places:
        is_hit = truth == place
        hits, misses = int(is_hit.sum()), int((~is_hit).sum())
        if not hits or not misses:
            continue
        value = Ranked(is_hit, proba[:, place]).auc()
        values.append(value)
        errors.append(math.sqrt(_variance(value, hits, misses)))
    if not values:
        return None
    return around(float(np.mean(values)), float(np.mean(errors)) ** 2, len(truth))


def _variance(auc: float, hits: int, misses: int) -> float:
    of_hits, of_misses = auc / (2 - auc) - auc**2, 2 * auc**2 / (1 + auc) - auc**2
    return (auc * (1 - auc) + (hits - 1) * of_hits + (misses - 1) * of_misses) / (hits * misses)


@dataclass(frozen=True)
class Segment:
    """The predictions whose value of a column is in one bin, with their accuracy.

    The intervals of all segments hold together with 95 %, however many were looked at. `is_worse` says that this one is
    worse than the other predictions by more than that.
    """

    column: int
    bin: int
    accuracy: Share
    is_worse: bool


def segments(bins: Bins, places: NDArray[np.intp], is_right: NDArray[np.bool_]) -> list[Segment]:
    """Return the segments with enough predictions, the surely worst first.

    Args:
        places: the bins of each column, shape (rows, columns).
        is_right: shape (rows,).
    """
    from scipy.special import ndtri  # imported here, because it is only needed where segments are looked for

    found = []
    for column, described in enumerate(bins.columns):
        rows = np.bincount(places[:, column], minlength=described.size)
        right = np.bincount(places[is_right, column], minlength=described.size)
        # a bin with all rows is no segment
        found += [
            (column, place, int(right[place]), int(rows[place]))
            for place in np.flatnonzero((rows >= ENOUGH) & (rows < len(is_right)))
        ]
    if not found:
        return []
    deviations = float(-ndtri(ERROR / 2 / len(found)))
    total, right_total = len(is_right), int(is_right.sum())
    judged = []
    for column, place, hits, count in found:
        accuracy = share(hits, count, deviations)
        others = share(right_total - hits, total - count, deviations)
        judged.append(Segment(column, int(place), accuracy, is_below(accuracy, others)))
    return sorted(judged, key=lambda segment: (segment.accuracy.high, segment.accuracy.value))


@dataclass(frozen=True)
class Group:
    """The predictions of one group of a protected input.

    Attributes:
        rates: the share of predictions with each label.
        scores: of those with a true label; its rows may be few.
    """

    bin: int
    predictions: int
    rates: tuple[Share, ...]
    scores: Scores


def by_group(
    size: int,
    predicted: tuple[NDArray[np.intp], NDArray[np.intp]],
    judged: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]],
    classes: int,
    positive: int | None,
) -> list[Group]:
    """Return the groups of one column that have predictions, in the order of its bins.

    Args:
        size: number of bins.
        predicted: bin and predicted class of a sample of predictions, each of shape (rows,).
        judged: bin, true class and predicted class of predictions with a true label, each of shape (rows,).
        classes: number of classes.
    """
    labels = np.bincount(predicted[0] * classes + predicted[1], minlength=size * classes)
    cells = np.bincount((judged[0] * classes + judged[1]) * classes + judged[2], minlength=size * classes**2)
    groups = []
    for place, counts in enumerate(labels.reshape(size, classes)):
        if total := int(counts.sum()):
            confusion = cells.reshape(size, classes, classes)[place]
            rates = tuple(share(int(count), total) for count in counts)
            groups.append(Group(place, total, rates, scores(confusion, positive)))
    return groups
