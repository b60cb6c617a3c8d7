"""What changed between two versions of a dataset."""

from dataclasses import dataclass
from typing import Any

from django.core.cache import cache

from clfsite.core.errors import Conflict, InvalidInput, NotFound
from training.ml.files.reading import TableError
from training.ml.tables.shift import ColumnChange
from training.models import Dataset

# digits of a number that all databases can compare
LONGEST_NUMBER = 9


@dataclass(frozen=True)
class Changes:
    """The differences of the version `new` from `old`, by number.

    Attributes:
        rows_added, rows_removed: rows of only one version, in the columns that both have; copies count as often as
            they occur.
        columns: added, removed and otherwise read ones first, then those that moved farthest beyond chance.
    """

    old: int
    new: int
    rows_before: int
    rows_after: int
    rows_added: int
    rows_removed: int
    target_before: str
    target_after: str
    columns: list[ColumnChange]

    def named(self, change: str) -> list[str]:
        """Return the columns with this change."""
        return [column.name for column in self.columns if column.change == change]

    @property
    def added(self) -> list[str]:
        return self.named("added")

    @property
    def removed(self) -> list[str]:
        return self.named("removed")

    @property
    def of_other_kind(self) -> list[ColumnChange]:
        return [column for column in self.columns if column.change == "kind"]

    @property
    def shifted(self) -> list[ColumnChange]:
        """The columns of both versions whose values can be compared, the farthest first."""
        return [column for column in self.columns if column.shift]

    @property
    def far(self) -> list[ColumnChange]:
        """The columns whose values moved farther than chance explains."""
        return [column for column in self.columns if column.shift and column.shift.is_far]

    def to_dict(self) -> dict[str, Any]:
        """Return the changes as JSON values."""
        return {**vars(self), "columns": [column.to_dict() for column in self.columns]}


def version_before(dataset: Dataset, number: str = "") -> Dataset:
    """Return an earlier version of a dataset.

    Args:
        number: of the version; by default the last one before.

    Raises:
        InvalidInput: it is no number of an earlier version. NotFound: there is no such version.
    """
    earlier = Dataset.objects.filter(name=dataset.name, number__lt=dataset.number).order_by("-number")
    if not number:
        if first := earlier.first():
            return first
        raise NotFound(f"{dataset} is the first version, so there is none to compare it with")
    if not (number.isascii() and number.isdecimal() and len(number) <= LONGEST_NUMBER):
        raise InvalidInput(f"expected the number of an earlier version, got {number[:40]!r}")
    if chosen := earlier.filter(number=int(number)).first():
        return chosen
    raise NotFound(f"there is no version {int(number)} of {dataset.name} before {dataset}")


def compare_datasets(old: Dataset, new: Dataset) -> Changes:
    """Compare two versions of a dataset by their stored tables; the result is kept in the process's cache.

    Raises:
        NotFound, Conflict: a stored table is missing or was changed. Unavailable: storage does not respond.
    """
    key = f"dataset-changes:{old.pk}:{old.sha256}:{new.pk}:{new.sha256}"
    kept: Changes | None = cache.get(key)
    if kept is None:
        kept = _compare(old, new)
        cache.set(key, kept, timeout=None)
    return kept


def _compare(old: Dataset, new: Dataset) -> Changes:
    from training.datasets.frames import load_table
    from training.ml.tables.changes import compare_columns, count_common, hash_rows

    kinds_before, kinds_after = (
        {column["name"]: column["kind"] for column in item.profile} for item in (old, new)
    )
    kinds = {name: {kind, kinds_after[name]} for name, kind in kinds_before.items() if name in kinds_after}
    try:
        before = hash_rows(load_table(old), kinds)
        table = load_table(new)
    except TableError as error:
        raise Conflict(str(error)) from error
    common = count_common(before, hash_rows(table, kinds))
    columns = compare_columns(old.profile, new.profile, old.rows, table)
    return Changes(
        old=old.number,
        new=new.number,
        rows_before=old.rows,
        rows_after=new.rows,
        rows_added=new.rows - common,
        rows_removed=old.rows - common,
        target_before=old.target,
        target_after=new.target,
        columns=columns,
    )
