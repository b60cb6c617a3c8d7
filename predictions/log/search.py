"""Finding predictions in a log of millions. Each search reads a bounded part of the log and can be continued.

A filter with an index is read in the order of the log. Other filters and combinations scan a window of rows.
The hourly counts exclude hours without a match, which determines where to start.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import (
    Exists,
    F,
    FilteredRelation,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    prefetch_related_objects,
)

from predictions.models import Feedback, FeedbackCount, HourlyCount, Prediction, first_id
from predictions.monitoring import counts

# rows; size of the window of one search without an index
WINDOW = 20_000
# rows; size of the window of one search with feedback and another filter
JUDGED_WINDOW = 2_000
HOUR = timedelta(hours=1)
# an id may be made in the hour after the hour of its count
LEEWAY = timedelta(minutes=1)
BEYOND = 2**128
# values of the feedback filter that require feedback
JUDGED = {"with", "wrong"}
# filters with an index, the most selective first
INDEXED = ("request_id", "reference", "caller", "batch", "version", "source", "label")


@dataclass(frozen=True)
class Wanted:
    """The predictions to find; None or empty means all.

    `versions` are ids; `since` is inclusive and `until` exclusive; `low` and `high` bound the label's
    probability, both inclusive; `feedback` is "with", "without" or "wrong".
    """

    versions: tuple[int, ...] | None = None
    label: str = ""
    source: str = ""
    caller: str = ""
    reference: str = ""
    request_id: str = ""
    batch: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    low: float | None = None
    high: float | None = None
    feedback: str = ""

    @property
    def equal(self) -> dict[str, Any]:
        """The filters on a single value of a column."""
        version = self.versions[0] if self.versions and len(self.versions) == 1 else None
        names = ("request_id", "reference", "caller", "batch", "source", "label")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in {**values, "version": version}.items() if value}


@dataclass(frozen=True)
class Span:
    """A part of the log: ids from `low` on and below `high`, as numbers."""

    low: int = 0
    high: int = BEYOND

    def of(self, key: str) -> dict[str, UUID]:
        """The conditions on a column of ids."""
        low = {f"{key}__gte": UUID(int=self.low)} if self.low else {}
        return {**low, f"{key}__lt": UUID(int=self.high)} if self.high < BEYOND else low

    @property
    def hours(self) -> dict[str, datetime]:
        """The condition on the hours in which its predictions may be counted."""
        low = {"hour__gt": moment(UUID(int=self.low)) - LEEWAY - HOUR} if self.low else {}
        return {**low, "hour__lte": moment(UUID(int=self.high))} if self.high < BEYOND else low

    def up_to(self, end: UUID, ascending: bool) -> "Span":
        """The part before an end, in the order of reading."""
        return replace(self, high=end.int) if ascending else replace(self, low=end.int + 1)

    def from_hour(self, hour: datetime) -> "Span":
        return replace(self, low=max(self.low, first_id(hour - LEEWAY).int))

    def to_hour(self, hour: datetime) -> "Span":
        return replace(self, high=min(self.high, first_id(hour + HOUR + LEEWAY).int))


@dataclass(frozen=True)
class Page:
    """A page of the log, in the requested order.

    `older` and `newer` are the ids at which the next search in that direction starts; None if it would find
    nothing. `looked_to` is the time that the search reached if it stopped before the page was full.
    """

    rows: list[Prediction]
    older: UUID | None = None
    newer: UUID | None = None
    looked_to: datetime | None = None


def find(
    wanted: Wanted,
    *,
    size: int,
    before: UUID | None = None,
    after: UUID | None = None,
    oldest_first: bool = False,
) -> Page:
    """Find a page of predictions: the first page, or the predictions before or after an id."""
    counts.bring_up_to_date()
    ascending = after is not None or (oldest_first and before is None)
    start = after if ascending else before
    rows, end = _walk(wanted, size=size, start=start, ascending=ascending)
    more = rows[size].pk if len(rows) > size else end
    read = rows[:size]
    looked_to = moment(end) if end and len(rows) <= size else None
    # a full page continues at its last row, an exhausted window at its end
    onwards = read[-1].pk if more and read and not looked_to else more
    # nothing precedes the first row
    back = (read[0].pk if read else start) if start else None
    older, newer = (back, onwards) if ascending else (onwards, back)
    page = read if ascending == oldest_first else read[::-1]
    return Page(page, older=older, newer=newer, looked_to=looked_to)


def walk(
    wanted: Wanted, *, at_once: int, most: int, oldest_first: bool = False
) -> Iterator[list[Prediction]]:
    """Yield all rows that a search finds, in pieces, up to a limit."""
    start: UUID | None = None
    left = most
    while left > 0:
        beside = {"after" if oldest_first else "before": start}
        page = find(wanted, size=min(at_once, left), oldest_first=oldest_first, **beside)
        if page.rows:
            yield page.rows
        left -= len(page.rows)
        start = page.newer if oldest_first else page.older
        if start is None:
            return


def moment(key: UUID) -> datetime:
    """The creation time of an id."""
    return datetime.fromtimestamp((key.int >> 80) / 1_000, UTC)


def _walk(
    wanted: Wanted, *, size: int, start: UUID | None, ascending: bool
) -> tuple[list[Prediction], UUID | None]:
    """Return the first rows from a start, up to one more than requested, and the position to continue.

    The position is None if the search reached the end.
    """
    order = "id" if ascending else "-id"
    span = _first_span(wanted, _span(wanted, start, ascending), ascending)
    if span is None:
        return [], None
    rows = _matching(wanted)
    if not _needs_window(wanted):
        return list(listed(rows.filter(**span.of("id"))).order_by(order)[: size + 1]), None
    keys = _keys(wanted, span, ascending)
    if wanted.feedback in JUDGED:
        # by their ids, because otherwise the database might scan the log between them
        judged = list(keys[: JUDGED_WINDOW + 1])
        end = judged[JUDGED_WINDOW] if len(judged) > JUDGED_WINDOW else None
        rows = rows.filter(id__in=judged[:JUDGED_WINDOW])
    else:
        end = keys[WINDOW : WINDOW + 1].first()
        rows = rows.filter(**(span.up_to(end, ascending) if end else span).of("id"))
    # the row at the end is the first row of the next window
    onwards = UUID(int=end.int - 1 if ascending else end.int + 1) if end else None
    return list(listed(rows).order_by(order)[: size + 1]), onwards


def _first_span(wanted: Wanted, span: Span, ascending: bool) -> Span | None:
    """Return where the search starts: at the first possible match; None if there is none."""
    if _needs_window(wanted):
        edge = _edge(wanted, span, ascending)
        if edge is None:
            return None
        span = span.from_hour(edge) if ascending else span.to_hour(edge)
    if wanted.equal:
        first = _keys(wanted, span, ascending).first()
        if first is None:
            return None
        span = replace(span, low=first.int) if ascending else replace(span, high=first.int + 1)
    return span


def _span(wanted: Wanted, start: UUID | None, ascending: bool) -> Span:
    """The ids between the requested times, in the reading direction from the start."""
    low = first_id(wanted.since).int if wanted.since else 0
    high = first_id(wanted.until).int if wanted.until else BEYOND
    if start is None:
        return Span(low, high)
    return Span(max(low, start.int + 1), high) if ascending else Span(low, min(high, start.int))


def _needs_window(wanted: Wanted) -> bool:
    """Whether there are more filters than the time and one with an index."""
    conditions = (
        len(wanted.equal) + bool(wanted.feedback) + (wanted.low is not None or wanted.high is not None)
    )
    conditions += wanted.versions is not None and "version" not in wanted.equal
    return conditions > 1 or (conditions == 1 and not wanted.equal and wanted.feedback != "with")


def _keys(wanted: Wanted, span: Span, ascending: bool) -> QuerySet[Any, UUID]:
    """The ids of a part of the log, from the best index; only those with feedback if requested."""
    rows: QuerySet[Any]
    if wanted.feedback in JUDGED:
        key, rows = "prediction_id", Feedback.objects.in_force()
    else:
        best = next((name for name in INDEXED if name in wanted.equal), None)
        key, rows = "id", Prediction.objects.filter(**{best: wanted.equal[best]} if best else {})
    rows = rows.filter(**span.of(key)).order_by(key if ascending else f"-{key}")
    return rows.values_list(key, flat=True)


def _edge(wanted: Wanted, span: Span, ascending: bool) -> datetime | None:
    """The first hour from the start with a possible match according to the counts, or None."""
    hours: list[datetime] = []
    queries: list[QuerySet[Any]] = [_counted(wanted)]
    if wanted.feedback in JUDGED:
        queries.append(_judged_counts(wanted))
    for query in queries:
        hour = query.filter(**span.hours).order_by("hour" if ascending else "-hour")
        edge = hour.values_list("hour", flat=True).first()
        if edge is None:
            return None
        hours.append(edge)
    return max(hours) if ascending else min(hours)


def _counted(wanted: Wanted) -> QuerySet[HourlyCount]:
    rows = HourlyCount.objects.all()
    if wanted.versions is not None:
        rows = rows.filter(version__in=wanted.versions)
    if wanted.label:
        rows = rows.filter(label=wanted.label)
    if wanted.source:
        rows = rows.filter(source=wanted.source)
    if wanted.low is not None:
        rows = rows.filter(decile__gte=counts.decile(wanted.low))
    if wanted.high is not None:
        rows = rows.filter(decile__lte=counts.decile(wanted.high))
    return rows


def _judged_counts(wanted: Wanted) -> QuerySet[FeedbackCount]:
    rows = FeedbackCount.objects.filter(predictions__gt=0)
    if wanted.versions is not None:
        rows = rows.filter(version__in=wanted.versions)
    return rows.exclude(predicted=F("truth")) if wanted.feedback == "wrong" else rows


def _matching(wanted: Wanted) -> QuerySet[Prediction]:
    """All filters except the time."""
    rows = Prediction.objects.filter(
        **{name: value for name, value in wanted.equal.items() if name != "version"}
    )
    if wanted.versions is not None:
        rows = rows.filter(version__in=wanted.versions)
    if wanted.low is not None:
        rows = rows.filter(probability__gte=wanted.low)
    if wanted.high is not None:
        rows = rows.filter(probability__lte=wanted.high)
    return _judged(rows, wanted.feedback)


def _judged(predictions: QuerySet[Prediction], wanted: str) -> QuerySet[Prediction]:
    """Filter by feedback; with an inner join, few matches are found without reading the log."""
    if wanted == "without":
        return predictions.exclude(Exists(Feedback.objects.in_force().filter(prediction=OuterRef("pk"))))
    if not wanted:
        return predictions
    in_force = Q(feedback__superseded_at=None)
    known = predictions.alias(truth=FilteredRelation("feedback", condition=in_force))
    if wanted == "with":
        return known.filter(truth__id__isnull=False)
    # without a negation, which would query the feedback of each row
    return known.filter(Q(truth__label__lt=F("label")) | Q(truth__label__gt=F("label")))


def with_truths(rows: list[Prediction]) -> list[Prediction]:
    """Add `truths` to each row: its current feedback, at most one."""
    prefetch_related_objects(rows, Prefetch("feedback", Feedback.objects.in_force(), to_attr="truths"))
    return rows


def listed(predictions: QuerySet[Prediction]) -> QuerySet[Prediction]:
    """Load only the columns of a list, because the versions' columns are large."""
    return predictions.select_related("version__classifier").only(
        *("id", "created_at", "label", "probability", "source", "caller", "warnings", "reference"),
        *("version__number", "version__classifier__name"),
    )
