"""The caller's own key of a prediction, such as an order number: checked, stored, and found again."""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from clfsite.core.errors import Conflict, NotFound
from clfsite.core.requests.moments import read_moment
from clfsite.core.web import csv_output
from predictions.models import Prediction
from training.ml.tables.contract import Contract, FeatureProblem
from training.models import Version

NAME = "reference"
LONGEST = 200  # characters
# control characters, halves of surrogate pairs, and separators of lines and paragraphs
_REFUSED = frozenset(("Cc", "Cs", "Zl", "Zp"))
# most predictions of one reference that are looked at for their classifiers
MOST_COMPARED = 1_000
# most predictions that are read for a piece of references at once
MOST_READ = 20_000


def name_in(contract: Contract) -> str:
    """The name under which a record or a file has the reference: `reference`, or `clfsite_reference` where that is an
    input or the label of the training table.
    """
    taken = {*contract.names, contract.target}
    return csv_output.beside([NAME], taken)[0] if NAME in taken else NAME


def problem_of(value: Any, name: str = NAME) -> FeatureProblem | None:
    """Return why a value cannot be a reference, or None if it can.

    Args:
        name: of the member or column that has it.
    """
    if not isinstance(value, str):
        kind = "true or false" if isinstance(value, bool) else f"a {type(value).__name__}"
        return FeatureProblem(name, "not_text", f"expected a text, got {_KINDS.get(type(value), kind)}")
    if not value.strip():
        return FeatureProblem(name, "empty", "the reference is empty; leave it out if there is none")
    if len(value) > LONGEST:
        message = f"expected at most {LONGEST} characters, got {len(value):,}"
        return FeatureProblem(name, "too_long", message)
    if not value.isprintable() and not _REFUSED.isdisjoint(map(unicodedata.category, value)):
        return FeatureProblem(
            name, "invalid_text", "the reference contains a control character or a line end"
        )
    if value != value.strip():
        return FeatureProblem(name, "invalid_text", "the reference begins or ends with white space")
    return None


_KINDS: dict[type, str] = {int: "a number", float: "a number", list: "a list", dict: "an object"}


@dataclass(frozen=True)
class Taken:
    """The references of records or rows: None for those without one, and the problems of invalid ones by row.

    Attributes:
        path: of the object that has the member, with {row} for its number; "" for the body itself.
    """

    values: Sequence[str | None]
    problems: Mapping[int, FeatureProblem]
    path: str = ""

    @property
    def known(self) -> Sequence[str | None] | None:
        """The references to log; None if no row has one."""
        return self.values if any(value is not None for value in self.values) else None


def take(values: Iterable[Any], name: str = NAME, path: str = "") -> Taken:
    """Check references as JSON values, None for a record without one.

    Args:
        name, path: of the member or column; see `Taken`.
    """
    taken: list[str | None] = []
    problems: dict[int, FeatureProblem] = {}
    for row, value in enumerate(values):
        problem = None if value is None else problem_of(value, name)
        if problem:
            problems[row] = problem
        taken.append(None if problem else value)
    return Taken(taken, problems, path)


def take_cells(cells: Iterable[str], name: str = NAME) -> Taken:
    """Check references as cells of a file; an empty cell is a row without one, and white space around a cell is ignored."""
    return take((cell.strip() or None for cell in cells), name)


def split(
    records: Sequence[dict[str, Any]], contract: Contract, path: str
) -> tuple[Sequence[dict[str, Any]], Taken | None]:
    """Part records into the features and the references; the records themselves do not change.

    Args:
        path: see `Taken`.

    Returns:
        (the records without references, the references; None if no record has one).
    """
    name = name_in(contract)
    if not any(name in record for record in records):
        return records, None
    taken = take([record.get(name) for record in records], name, path)
    plain = [{key: value for key, value in record.items() if key != name} for record in records]
    return plain, taken


@dataclass(frozen=True)
class Named:
    """A prediction named by its reference.

    Of several predictions with this reference, it is the newest one before `before`, or the newest of all.

    Attributes:
        model: name of the classifier; empty if the reference has predictions of only one.
    """

    reference: str
    model: str = ""
    before: datetime | None = None


def end_of(text: str) -> datetime:
    """The end, exclusive, of the day, minute, second or fraction of a second that a time names.

    So the time of a prediction names it, however much of it was kept.

    Raises:
        ValueError: not a date or time; see `read_moment`.
    """
    moment, clock = read_moment(text), text.strip()[11:]
    digits = len(clock[9:].split("+")[0].split("-")[0].rstrip("Z ")) if clock[8:9] in {".", ","} else 0
    if digits:
        unit = timedelta(microseconds=10 ** (6 - digits))
    elif clock:
        unit = timedelta(seconds=1) if clock[5:6] == ":" else timedelta(minutes=1)
    else:
        unit = timedelta(days=1)
    try:
        return moment + unit
    except OverflowError:
        return moment


def find(named: Named) -> Prediction:
    """Return the prediction, with its version and classifier.

    Raises:
        NotFound: there is none. Conflict: several classifiers have predictions with this reference, and none is named.
    """
    rows = _of([named.reference], named.before)
    if named.model:
        rows = rows.filter(version__in=_versions(named.model))
    # the ids increase with time
    newest = rows.order_by("-id").select_related("version__classifier").first()
    if newest is None:
        raise NotFound(no_prediction(named))
    if not named.model:
        _check_only(named, newest)
    return newest


def find_all(names: Collection[Named]) -> dict[Named, Prediction | str]:
    """Find the predictions of a piece of a file with few queries.

    Returns:
        The prediction of each name with its id and version, or why there is none.
    """
    latest = max((named.before for named in names if named.before), default=None)
    everything = latest if all(named.before for named in names) else None
    wanted = {named.reference for named in names}
    rows = _of(wanted, everything).select_related("version").order_by("-id")
    read = list(rows.only("reference", "created_at", "version__classifier_id")[: MOST_READ + 1])
    if len(read) > MOST_READ:  # references with very many predictions each
        return {named: _found(named) for named in names}
    by_reference: dict[str, list[Prediction]] = {}
    for row in read:
        by_reference.setdefault(str(row.reference), []).append(row)
    numbers = {named.model: _classifier_of(named.model) for named in names if named.model}
    return {
        named: _newest(named, by_reference.get(named.reference, ()), numbers.get(named.model))
        for named in names
    }


def no_prediction(named: Named) -> str:
    """The message for a name without a prediction."""
    of_model = f" of {named.model[:60]}" if named.model else ""
    in_time = " at that time or earlier" if named.before else ""
    return f'there is no prediction{of_model} with the reference "{named.reference[:60]}"{in_time}'


def _several(named: Named) -> str:
    return f'several classifiers have predictions with the reference "{named.reference[:60]}"; say whose is meant (model)'


def _of(references: Collection[str], before: datetime | None) -> QuerySet[Prediction]:
    rows = Prediction.objects.filter(reference__in=list(references))
    return rows.filter(created_at__lt=before) if before else rows


def _versions(model: str) -> list[int]:
    return list(Version.objects.filter(classifier__name=model).values_list("pk", flat=True))


def _classifier_of(model: str) -> int | None:
    version = Version.objects.filter(classifier__name=model).values_list("classifier_id", flat=True).first()
    return -1 if version is None else version


def _check_only(named: Named, newest: Prediction) -> None:
    """Refuse a name that fits predictions of several classifiers; only the newest thousand are compared."""
    versions = _of([named.reference], named.before).order_by("-id").values_list("version_id", flat=True)
    others = Version.objects.filter(pk__in=set(versions[:MOST_COMPARED]))
    if others.exclude(classifier=newest.version.classifier).exists():
        raise Conflict(_several(named))


def _found(named: Named) -> Prediction | str:
    try:
        return find(named)
    except (NotFound, Conflict) as error:
        return str(error)


def _newest(named: Named, rows: Sequence[Prediction], classifier: int | None) -> Prediction | str:
    """The first of the rows, newest first, that a name fits."""
    fitting = [
        row
        for row in rows
        if (named.before is None or row.created_at < named.before)
        and (classifier is None or row.version.classifier_id == classifier)
    ]
    if not fitting:
        return no_prediction(named)
    if len({row.version.classifier_id for row in fitting[:MOST_COMPARED]}) > 1:
        return _several(named)
    return fitting[0]
