"""The one evaluation of a version over a window, used by page, report, API, gauges and alerts.

Everything is computed from counts by hour: `HourlyBin` for inputs and predictions, `FeedbackCount` for true labels,
`HourlyRefusal` for refused records. The log itself is never read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from django.db.models import Sum
from django.utils import timezone
from numpy.typing import NDArray

from predictions.models import HourlyRefusal, hour_of
from predictions.monitoring import bins as binned
from predictions.monitoring import quality
from predictions.monitoring.bins import Hours
from training.ml.tables.contract import Kind
from training.ml.watch import shift
from training.ml.watch.bins import Column
from training.ml.watch.estimate import estimated_accuracy
from training.ml.watch.reference import Reference
from training.ml.watch.shift import ENOUGH_ROWS, Distance
from training.models import Classifier, Version

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
# weeks before a window with whose same hours it is compared
WEEKS_BEFORE = 4
# shift from which a window counts although the weeks before are not known, so a weekly season cannot be excluded
LARGE_SHIFT = 0.2
# share of predictions whose inputs or confidence training did not know, above which the estimated accuracy does not hold
MOST_UNKNOWN = 0.05
# share of refused records that needs attention
MANY_REFUSED = 0.05
# rows before a change, from which the time of the change can be told
_ROWS_BEFORE = 100

Status = Literal["ok", "attention", "not_enough_data"]


@dataclass(frozen=True)
class Moved:
    """A distribution of the window beside that of training.

    Attributes:
        moved: whether this window differs from training by more than chance and by an amount that matters, and also from the
            same hours of the weeks before, where they are known and the window is shorter than a week.
        shift: population stability index without the part that chance explains, against training; None without predictions.
        p: probability of such a difference by chance; None without predictions.
        since: start of the hour since when it differs; None if it has not moved.
        before: the distance to the same hours of the weeks before; None if there were not enough predictions.
        is_lasting: whether it may raise an alert: it has moved, and a weekly season cannot explain it, because the weeks before
            are known, the window has a week, or the shift is large.
        then, now: the shares of training and of the window by group, in the same order as `groups`.
    """

    moved: bool
    shift: float | None
    p: float | None
    since: datetime | None
    before: Distance | None
    is_lasting: bool
    groups: tuple[str, ...]
    then: tuple[float, ...]
    now: tuple[float, ...]


@dataclass(frozen=True)
class ColumnMoved(Moved):
    """An input; `importance` is the drop of ROC-AUC if its values are shuffled, measured on held-out rows."""

    name: str
    kind: str
    importance: float

    @property
    def rank(self) -> float:
        """How much the shift matters: its size times the importance."""
        return max(self.shift or 0.0, 0.0) * max(self.importance, 0.0)


@dataclass(frozen=True)
class DataQuality:
    """What is wrong with the calls and values of a window.

    Attributes:
        refused: share of records that the contract refused; `reasons` are their numbers by code.
        missing, unseen, out_of_range: by input, the share of predictions; only inputs with any.
        constant: inputs that always had the same value in the window, and different ones in training.
        silent_since: start of the first hour without predictions, if the same hours of the weeks before always had some.
        never_given: classes that training had and no prediction of the window got.
    """

    refused: float
    reasons: dict[str, int]
    missing: dict[str, float]
    unseen: dict[str, float]
    out_of_range: dict[str, float]
    constant: tuple[str, ...]
    silent_since: datetime | None
    never_given: tuple[str, ...]


@dataclass(frozen=True)
class Estimated:
    """The accuracy that is expected without true labels, with its 95 % interval; `why` says why it does not hold."""

    value: float
    low: float
    high: float
    holds: bool
    why: str = ""


@dataclass(frozen=True)
class Measured:
    """The accuracy on predictions of the window with feedback, with its 95 % interval."""

    value: float
    low: float
    high: float
    feedback: int
    dropped: bool


@dataclass(frozen=True)
class Accuracy:
    """Estimated and measured accuracy; None where there is nothing to compute it from."""

    held_out: float
    estimated: Estimated | None
    measured: Measured | None


@dataclass(frozen=True)
class Evaluation:
    """All facts of one version over one window; `columns` are sorted by how much their shift matters."""

    classifier: str
    version: int
    since: datetime
    until: datetime
    predictions: int
    columns: tuple[ColumnMoved, ...]
    label_mix: Moved
    probabilities: Moved
    quality: DataQuality
    accuracy: Accuracy
    problems: tuple[str, ...] = field(default=())

    @property
    def is_enough(self) -> bool:
        """Whether the window has enough predictions to look for shifts."""
        return self.predictions >= ENOUGH_ROWS

    @property
    def status(self) -> Status:
        """Whether something needs a person."""
        if self.problems:
            return "attention"
        return "ok" if self.is_enough else "not_enough_data"

    @property
    def moved(self) -> list[ColumnMoved]:
        """The inputs that moved."""
        return [column for column in self.columns if column.moved]


@dataclass(frozen=True)
class _Compared:
    """One distribution by bin, of training, the window, and the same hours of the weeks before."""

    groups: tuple[str, ...]
    then: NDArray[np.int64]
    now: NDArray[np.int64]
    before: NDArray[np.int64]
    by_hour: NDArray[np.int64]


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
    reference = version.reference
    since = hour_of(end - timedelta(days=days)) + HOUR
    hours = binned.read(
        version.pk, reference.bins.size, since - WEEKS_BEFORE * WEEK, end if until else end + HOUR
    )
    counts = hours.between(since, end + HOUR)
    cells = reference.bins.cells(counts)
    predictions = int(cells.sum())
    columns, label_mix, probabilities = _distributions(version, reference, hours, since, end)
    data = _data_quality(version, reference, counts, hours, since, end)
    accuracy = _accuracy(version, reference, counts, since, end)
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
    return _with_problems(evaluation)


def _distributions(
    version: Version, reference: Reference, hours: Hours, since: datetime, until: datetime
) -> tuple[tuple[ColumnMoved, ...], Moved, Moved]:
    """The inputs, the label mix and the probabilities, judged together, so the rate of false discoveries is held."""
    bins, size = reference.bins, reference.bins.size
    now = hours.between(since, until + HOUR)
    is_short = until - since < WEEK - HOUR
    before = _weeks_before(hours, since, until) if is_short else np.zeros(size, dtype=np.int64)
    compared = [
        _Compared(
            groups_of(column),
            np.array(then, dtype=np.int64),
            bins.of_column(now, place),
            bins.of_column(before, place),
            bins.of_column(hours.counts, place),
        )
        for place, (column, then) in enumerate(zip(bins.columns, reference.counts, strict=True))
    ]
    compared += [_label_mix(reference, now, before, hours), _probabilities(reference, now, before, hours)]
    judged = _judge(compared, hours.starts, is_short=is_short, weeks=_weeks_covered(hours, until))
    importance = {row["feature"]: row["mean"] for row in version.held_out.get("importance") or ()}
    columns = [
        ColumnMoved(
            **vars(moved),
            name=column.name,
            kind=column.kind.value,
            importance=importance.get(column.name, 0.0),
        )
        for column, moved in zip(bins.columns, judged, strict=False)
    ]
    columns.sort(key=lambda column: (not column.moved, -column.rank, -(column.shift or 0.0)))
    return tuple(columns), judged[-2], judged[-1]


def _weeks_before(hours: Hours, since: datetime, until: datetime) -> NDArray[np.int64]:
    """The sums of the same hours of the weeks before."""
    starts = {start: place for place, start in enumerate(hours.starts)}
    total = np.zeros(hours.counts.shape[1], dtype=np.int64)
    length = int((until - since) / HOUR) + 1
    for week in range(1, WEEKS_BEFORE + 1):
        first = since - week * WEEK
        places = [starts[hour] for step in range(length) if (hour := first + step * HOUR) in starts]
        total += hours.counts[places].sum(axis=0)
    return total


def _weeks_covered(hours: Hours, until: datetime) -> float:
    """How many weeks of predictions there are until a moment."""
    return (until - hours.starts[0]) / WEEK if hours.starts else 0.0


def _label_mix(
    reference: Reference, now: NDArray[np.int64], before: NDArray[np.int64], hours: Hours
) -> _Compared:
    bins = reference.bins
    return _Compared(
        bins.classes,
        np.array(reference.predicted, dtype=np.int64),
        *(bins.cells(counts).sum(axis=-1) for counts in (now, before, hours.counts)),
    )


def _probabilities(
    reference: Reference, now: NDArray[np.int64], before: NDArray[np.int64], hours: Hours
) -> _Compared:
    """The confidence of the labels; with two classes by label, which tells the probability of the positive one."""
    bins = reference.bins
    then = (
        np.zeros((len(bins.classes), bins.levels), dtype=np.int64)
        if reference.cells is None
        else reference.cells.rows
    )
    ranges = _ranges((0.0, *bins.confidence, 1.0))
    parts = [then, *(bins.cells(counts) for counts in (now, before, hours.counts))]
    if len(bins.classes) == 2:  # noqa: PLR2004
        groups = tuple(f"{label}, {group}" for label in bins.classes for group in ranges)
        return _Compared(
            groups, *(part.reshape(*part.shape[:-2], part.shape[-2] * part.shape[-1]) for part in parts)
        )
    return _Compared(ranges, *(part.sum(axis=-2) for part in parts))


def _judge(
    compared: Sequence[_Compared], starts: Sequence[datetime], *, is_short: bool, weeks: float
) -> list[Moved]:
    distances = [shift.distance(item.then, item.now) for item in compared]
    earlier = [shift.distance(item.before, item.now) for item in compared]
    has_before = [is_short and item.before.sum() >= ENOUGH_ROWS for item in compared]
    found = shift.discoveries([distance.p for distance in distances])
    found_before = shift.discoveries([distance.p for distance in earlier])
    results = []
    for item, distance, past, has_past, is_found, is_found_before in zip(
        compared, distances, earlier, has_before, found, found_before, strict=True
    ):
        is_enough = item.now.sum() >= ENOUGH_ROWS and item.then.sum() > 0
        moved = is_enough and is_found and distance.matters
        if has_past:
            moved = moved and is_found_before and past.matters
        excludes_season = has_past or (not is_short and weeks >= 1) or distance.shift > LARGE_SHIFT
        total_then, total_now = item.then.sum(), item.now.sum()
        results.append(
            Moved(
                moved=bool(moved),
                shift=distance.shift if total_now and total_then else None,
                p=distance.p if total_now and total_then else None,
                since=_since(item, starts) if moved else None,
                before=past if has_past else None,
                is_lasting=bool(moved and excludes_season),
                groups=item.groups,
                then=tuple((item.then / max(total_then, 1)).tolist()),
                now=tuple((item.now / max(total_now, 1)).tolist()),
            )
        )
    return results


def _since(item: _Compared, starts: Sequence[datetime]) -> datetime | None:
    """The start of the hour since when the distribution is another one: the most likely change of the hours read.

    If the hours before it are too few or differ from training, too, it is the first hour with predictions.
    """
    rows = item.by_hour.sum(axis=1)
    counted = np.flatnonzero(rows)
    if not len(counted):
        return None
    counts = item.by_hour[counted].astype(np.float64)
    reached = np.cumsum(counts, axis=0)
    after = reached[-1] - reached
    before, after = (
        np.vstack([np.zeros_like(reached[:1]), reached[:-1]]),
        np.vstack([reached[-1:], after[:-1]]),
    )
    place = int(np.argmax(_likelihood(before) + _likelihood(after)))
    earlier = before[place]
    if earlier.sum() < _ROWS_BEFORE or (
        (distance := shift.distance(item.then, earlier)).matters and distance.p < shift.RATE
    ):
        place = 0
    start: datetime = starts[int(counted[place])]
    return start


def _likelihood(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm of the likelihood of counts with the shares that fit them best, shape (rows,)."""
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    logs = np.log(np.where(counts > 0, counts / totals, 1.0))
    sums: NDArray[np.float64] = (counts * logs).sum(axis=1)
    return sums


def _data_quality(
    version: Version,
    reference: Reference,
    counts: NDArray[np.int64],
    hours: Hours,
    since: datetime,
    until: datetime,
) -> DataQuality:
    bins = reference.bins
    cells = bins.cells(counts)
    rows = int(cells.sum())
    shares: dict[str, dict[str, float]] = {"missing": {}, "unseen": {}, "out_of_range": {}}
    constant = []
    for place, (column, then) in enumerate(zip(bins.columns, reference.counts, strict=True)):
        of_column = bins.of_column(counts, place)
        for name, places in _odd(column).items():
            if odd := int(of_column[list(places)].sum()):
                shares[name][column.name] = odd / max(rows, 1)
        if rows >= ENOUGH_ROWS and np.count_nonzero(of_column) == 1 and np.count_nonzero(then) > 1:
            constant.append(column.name)
    reasons = _reasons(version, since, until)
    refused = sum(reasons.values())
    by_class = cells.sum(axis=1)
    expected = np.array(reference.predicted) / max(sum(reference.predicted), 1) * rows
    return DataQuality(
        refused=refused / (refused + rows) if refused else 0.0,
        reasons=reasons,
        **shares,
        constant=tuple(constant),
        silent_since=_silent_since(hours, until),
        never_given=tuple(
            label
            for label, given, usual in zip(bins.classes, by_class, expected, strict=True)
            # fewer than one in e^-5 windows of the usual mix would have none
            if not given and usual >= 5  # noqa: PLR2004
        ),
    )


def _odd(column: Column) -> dict[str, Sequence[int]]:
    odd: dict[str, Sequence[int]] = {"missing": (column.missing,)}
    if not column.is_ordered:
        odd["unseen"] = (column.unseen,)
    elif column.kind is not Kind.TEXT:
        odd["out_of_range"] = column.outside
    return odd


def _reasons(version: Version, since: datetime, until: datetime) -> dict[str, int]:
    rows = HourlyRefusal.objects.filter(version=version, hour__gte=since, hour__lte=until)
    return dict(rows.values_list("code").annotate(total=Sum("predictions")).order_by("-total", "code"))


def _silent_since(hours: Hours, until: datetime) -> datetime | None:
    """The first of the hours without predictions before a moment, if these hours had some in each week before."""
    known = set(hours.starts)
    if not known:
        return None
    first: datetime | None = None
    # the current hour is not over
    hour = hour_of(until) - HOUR
    weeks = [week for week in range(1, WEEKS_BEFORE + 1) if hour - week * WEEK >= min(known)]
    while (
        weeks
        and hour not in known
        and hour >= min(known)
        and all(hour - week * WEEK in known for week in weeks)
    ):
        first, hour = hour, hour - HOUR
    return None if hour_of(until) in known else first


def _accuracy(
    version: Version, reference: Reference, counts: NDArray[np.int64], since: datetime, until: datetime
) -> Accuracy:
    held_out = version.metrics["accuracy"]
    (judged,) = quality.of_versions([version], since, until)
    measured = None
    if judged.accuracy is not None:
        low, high = judged.interval
        measured = Measured(judged.accuracy, low, high, judged.judged, judged.has_dropped(held_out))
    return Accuracy(held_out, _estimated(reference, counts, judged.confusion), measured)


def _estimated(
    reference: Reference, counts: NDArray[np.int64], confusion: Sequence[Sequence[int]]
) -> Estimated | None:
    """The estimate, and whether it holds: the inputs are like training's, and the feedback does not contradict it."""
    bins = reference.bins
    cells = bins.cells(counts)
    estimate = None if reference.cells is None else estimated_accuracy(reference.cells, cells)
    if estimate is None or reference.cells is None:
        return None
    why = _contradiction(reference, cells, np.array(confusion))
    rows = cells.sum()
    unknown = (
        max(
            (_unknown_share(bins.of_column(counts, place), column, then), column.name)
            for place, (column, then) in enumerate(zip(bins.columns, reference.counts, strict=True))
        )
        if bins.columns
        else (0.0, "")
    )
    if not why and rows and unknown[0] > MOST_UNKNOWN:
        why = f"training knows too little of the values that {unknown[1]} has now"
    if not why and estimate.unknown > MOST_UNKNOWN:
        why = "the held-out rows had too few predictions like these"
    return Estimated(estimate.value, estimate.low, estimate.high, not why, why)


def _unknown_share(now: NDArray[np.int64], column: Column, then: Sequence[int]) -> float:
    """The share of values outside those of training, and of missing ones where training had none."""
    places = list(column.outside if column.is_ordered else (column.unseen,))
    if not then[column.missing]:
        places.append(column.missing)
    return float(now[places].sum() / max(now.sum(), 1))


def _contradiction(reference: Reference, cells: NDArray[np.int64], confusion: NDArray[np.int64]) -> str:
    """The reason why feedback says that the estimate is wrong, or an empty text.

    Feedback may be given more often for some predicted labels, so the estimate is made for the same mix of labels.
    """
    by_label = confusion.sum(axis=0)
    judged, right = int(by_label.sum()), int(np.trace(confusion))
    if judged < quality.ENOUGH or reference.cells is None:
        return ""
    expected = 0.0
    for place, count in enumerate(by_label):
        only = np.zeros_like(cells)
        only[place] = cells[place]
        estimate = estimated_accuracy(reference.cells, only)
        expected += (estimate.value if estimate else right / judged) * count / judged
    score = quality.Score(judged=judged, correct=right)
    low, high = score.interval
    if low <= expected <= high or abs(right / judged - expected) <= quality.DROP:
        return ""
    return "feedback contradicts it: the same inputs have other labels now, or the feedback is not typical"


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


def groups_of(column: Column) -> tuple[str, ...]:
    """The names of a column's bins."""
    if column.is_ordered:
        low, *_, high = column.edges
        return (f"below {_short(low)}", *_ranges(column.edges), f"above {_short(high)}", "missing")
    others = tuple(f"others, group {number}" for number in range(1, column.groups + 1))
    return (*column.values, *others, "unseen", "missing")


def _ranges(edges: Sequence[float]) -> tuple[str, ...]:
    return tuple(f"{_short(low)} to {_short(high)}" for low, high in pairwise(edges))


def _short(number: float) -> str:
    return f"{number:.4g}"


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
