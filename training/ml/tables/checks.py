"""The contract's checks for many rows at once: columns are checked as arrays, and only suspicious values one by one.

The results and messages equal those of `Contract.check` on each record, in a fraction of the time.
"""

from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from training.ml.files.cells.cells import Cells, Numbers
from training.ml.files.cells.joining import Piece
from training.ml.files.cells.numbers import FEW_ODD, is_plain_number
from training.ml.files.notation import ALWAYS_MISSING, OFTEN_MISSING, Notation
from training.ml.tables import times
from training.ml.tables.contract import LARGEST, MOMENTS, WRITTEN, Contract, Feature, FeatureProblem, Kind
from training.ml.tables.digits import EXACT

if TYPE_CHECKING:
    import pandas as pd

# texts that mean a missing value where they are not categories of training
MISSING = ALWAYS_MISSING | OFTEN_MISSING
# a cell of only these characters that JSON can read is a number or empty
_NUMBER_CHARACTERS = b"0123456789+-.eE,"
_NUMBERS = frozenset((int, float))
# bounds of the integers of JSON readers, which read larger numbers as floats
LEAST_INTEGER, MOST_INTEGER = -(2**63), 2**64
# characters of the longest whole number of 64 bits
_LONGEST_INTEGER = 20
# records with wrong names whose errors list each name; later ones have a general message
MOST_ODD = 100
_OTHER_NAMES = FeatureProblem(
    "", "other_features", "the names in the record are not the features of this model"
)


@dataclass(frozen=True)
class Checked:
    """Rows that a contract has checked; `errors` and `warnings` map the rows that have any to their remarks.

    Attributes:
        arrays: for each feature an array of length (rows,): float64, object for categories, or datetime64 for dates;
            NaN or NaT if missing. The values of rows with errors are undefined.
        texts: for each feature its values as JSON texts, length (rows,); empty if the rows were given as JSON values. The
            texts of rows with errors are undefined.
    """

    contract: Contract
    rows: int
    arrays: Mapping[str, NDArray[Any]]
    texts: Sequence[Sequence[str]]
    errors: Mapping[int, Sequence[FeatureProblem]]
    warnings: Mapping[int, Sequence[FeatureProblem]]

    def accepted(self) -> NDArray[np.bool_]:
        """Return a mask of the rows that may be scored, shape (rows,)."""
        mask = np.ones(self.rows, dtype=bool)
        mask[list(self.errors)] = False
        return mask

    def frame(self) -> "pd.DataFrame":
        """Return the accepted rows as input of the pipeline, shape (accepted rows, features)."""
        import pandas as pd  # imported here, because only batches need it and other processes check rows without it

        return pd.DataFrame(self.accepted_arrays())

    def accepted_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of the accepted rows."""
        if not self.errors:
            return dict(self.arrays)
        mask = self.accepted()
        return {name: array[mask] for name, array in self.arrays.items()}

    def records(self) -> list[Piece]:
        """Return the accepted rows as JSON objects, in pieces to join; the features are in the contract's order."""
        rows = np.flatnonzero(self.accepted())
        pieces: list[Piece] = []
        for name, texts in zip(self.contract.names, self.texts, strict=True):
            pieces += [(b"," if pieces else b"{") + orjson.dumps(name) + b":"]
            cells = texts if isinstance(texts, Cells) else Cells.of(texts)
            pieces += [cells.at(rows) if self.errors else cells]
        return [*pieces, b"}"]


def check_records(
    contract: Contract, records: Sequence[Mapping[str, Any]], *, strict: bool = False
) -> Checked:
    """Check records of JSON values. Only the first 100 records with wrong names are checked in detail.

    Args:
        strict: whether a value that was not seen in training is an error instead of a warning.
    """
    remarks = _Remarks()
    names = contract.names
    rows = _rows(names, records)
    if rows is None:
        known = frozenset(names)
        odd = {row: None for row, record in enumerate(records) if record.keys() != known}
        for place, row in enumerate(odd):
            # wrong names are always an error, also if `strict` is False
            if place < MOST_ODD:
                remarks.errors[row], remarks.warnings[row] = contract.check(records[row])
            else:
                remarks.errors[row] = [_OTHER_NAMES]
        whole = [contract.example if row in odd else record for row, record in enumerate(records)]
        rows = _rows(names, whole) or []
    columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
    numbers = [feature for feature in contract.features if feature.kind in {Kind.NUMBER, Kind.INTEGER}]
    arrays, strange = _number_arrays(numbers, [columns[feature.name] for feature in numbers])
    for feature in contract.features:
        name, values = feature.name, columns[feature.name]
        suspects: Iterable[int]
        if name not in arrays:
            arrays[name], suspects = _judge(feature, values)
        else:
            suspects = _odd_numbers(feature, arrays[name], ()) if name in strange else ()
        remarks.look_at(feature, suspects, values.__getitem__)
    return remarks.close(contract, len(records), arrays, (), strict=strict)


def check_cells(
    contract: Contract,
    columns: Sequence[Sequence[str]],
    *,
    strict: bool = False,
    notations: Mapping[str, Notation] = MappingProxyType({}),
) -> Checked:
    """Check cells of a CSV file, given by column in the contract's order of features; see `check_records`.

    Args:
        notations: of the file's columns, where they differ from those of the training table.
    """
    remarks = _Remarks()
    arrays: dict[str, NDArray[Any]] = {}
    texts: list[Sequence[str]] = []
    for feature, cells in zip(contract.features, columns, strict=True):
        notation = notations.get(feature.name, feature.notation)
        is_plain = feature.kind in {Kind.NUMBER, Kind.INTEGER} and notation.decimal == "."
        plain = _plain_numbers(cells, notation.missing) if is_plain else None
        if plain:
            array, written, gaps = plain
            suspects = _odd_numbers(feature, array, gaps)
        else:
            array, written, suspects = _judge_cells(feature, cells, notation)
        arrays[feature.name] = array
        texts.append(written)
        remarks.look_at(feature, suspects, _reader(feature, cells, notation))
    return remarks.close(contract, len(columns[0]), arrays, texts, strict=strict)


def means_missing(text: str, known: Container[str]) -> bool:
    """Return whether a text means a missing value: it is blank or a common mark, and not a category of training."""
    return text.strip() in MISSING and text not in known


def read_records(contract: Contract, records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return records of JSON values whose texts are read as in files: marks for missing are null, spellings merged.

    A row has the same meaning in a file as in a request.
    """
    return [_read_record(contract.texts, contract.merging, record) for record in records]


def _read_record(
    texts: Mapping[str, Container[str]], merging: Mapping[str, Feature], record: Mapping[str, Any]
) -> Mapping[str, Any]:
    for name, known in texts.items():
        value = record.get(name)
        if type(value) is str and value not in known and (name in merging or means_missing(value, known)):
            read = {
                other: _read_text(record[other], seen, merging.get(other))
                for other, seen in texts.items()
                if type(record.get(other)) is str
            }
            return {**record, **read}
    return record


def _read_text(value: str, known: Container[str], merging: Feature | None) -> str | None:
    if means_missing(value, known):
        return None
    return merging.spelled(value) if merging else value


def read_cell(feature: Feature, cell: str, notation: Notation | None = None) -> Any:
    """Return the JSON value of a text; an unreadable text stays as it is, and the contract refuses it.

    Args:
        notation: of the column in this file; None for that of the training table.
    """
    text = cell.strip()
    known = notation or feature.notation
    if means_missing(cell, feature.categories) or text in known.missing:
        return None
    if feature.kind in WRITTEN:
        return feature.spelled(cell)
    if feature.kind is Kind.DATE:
        moment = times.read(text, known.date)
        return text if moment is None or known.date == feature.notation.date else times.write(moment)
    if feature.kind is Kind.BOOLEAN:
        return {"true": True, "false": False}.get(text.lower(), cell)
    if "_" in text or (text.isdecimal() and not text.isascii()):
        return cell
    plain = known.number(text) or (text if known.decimal == "." else "")
    try:
        if len(plain) <= _LONGEST_INTEGER and LEAST_INTEGER <= (number := int(plain)) < MOST_INTEGER:
            return number
    except ValueError:
        pass
    try:
        return float(plain) if plain.isascii() else cell
    except ValueError:
        return cell


class _Remarks:
    """Errors and warnings by row, collected column by column."""

    def __init__(self) -> None:
        self.errors: dict[int, list[FeatureProblem]] = {}
        self.warnings: dict[int, list[FeatureProblem]] = {}

    def look_at(self, feature: Feature, suspects: Iterable[int], value_of: Callable[[int], Any]) -> None:
        """Check single values with the contract, and store its remarks."""
        for row in suspects:
            error, warning = feature.check(value_of(row))
            if error:
                self.errors.setdefault(row, []).append(error)
            elif warning:
                self.warnings.setdefault(row, []).append(warning)

    def close(
        self,
        contract: Contract,
        rows: int,
        arrays: Mapping[str, NDArray[Any]],
        texts: Sequence[Sequence[str]],
        *,
        strict: bool,
    ) -> Checked:
        if strict:
            for row, problems in self.warnings.items():
                self.errors[row] = [*self.errors.get(row, ()), *problems]
        errors = {row: problems for row, problems in sorted(self.errors.items()) if problems}
        warnings = (
            {} if strict else {row: problems for row, problems in sorted(self.warnings.items()) if problems}
        )
        return Checked(contract, rows, arrays, texts, errors, warnings)


def _reader(feature: Feature, cells: Sequence[str], notation: Notation) -> Callable[[int], Any]:
    return lambda row: read_cell(feature, cells[row], notation)


def _rows(names: Sequence[str], records: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]] | None:
    """Return the values of each record in the order of these names, or None if a record has other names."""
    if not set(map(len, records)) <= {len(names)}:
        return None
    try:
        if len(names) == 1:  # an itemgetter of one name returns a value instead of a tuple
            return [(record[names[0]],) for record in records]
        return list(map(itemgetter(*names), records))
    except KeyError:
        return None


def _number_arrays(
    features: Sequence[Feature], columns: Sequence[Sequence[Any]]
) -> tuple[dict[str, NDArray[Any]], set[str]]:
    """Read all columns of numbers at once.

    Returns:
        (arrays by name, names of the ones in which `_odd_numbers` may find rows); both are empty if a column has
        values other than numbers.
    """
    if not features or not _NUMBERS.issuperset(map(type, chain.from_iterable(columns))):
        return {}, set()
    shape = len(columns), len(columns[0])
    try:
        values = np.fromiter(chain.from_iterable(columns), np.float64, shape[0] * shape[1]).reshape(shape)
    except OverflowError:  # an integer is beyond the range of floats
        return {}, set()
    return dict(zip((feature.name for feature in features), values, strict=True)), _strange(features, values)


def _strange(features: Sequence[Feature], values: NDArray[np.float64]) -> set[str]:
    """Return the features in which `_odd_numbers` may find rows; all are compared at once, shape (features, rows)."""
    bounds = [
        (-LARGEST, LARGEST) if feature.low is None or feature.high is None else (feature.low, feature.high)
        for feature in features
    ]
    low, high = np.clip(np.array(bounds).T, -LARGEST, LARGEST)[:, :, np.newaxis]
    plain = ((values >= low) & (values <= high)).all(axis=1)
    whole = np.array([feature.kind is Kind.INTEGER for feature in features])
    integers = values[whole]
    plain[whole] &= ((np.floor(integers) == integers) & (np.abs(integers) < EXACT)).all(axis=1)
    return {feature.name for feature, is_plain in zip(features, plain, strict=True) if not is_plain}


def _judge(feature: Feature, values: Sequence[Any]) -> tuple[NDArray[Any], Iterable[int]]:
    """Return a column of JSON values as an array, and the rows that the contract has to check one by one."""
    if feature.kind in WRITTEN:
        return _judge_categories(feature, values)
    if feature.kind is Kind.DATE:
        return _judge_dates(feature, values)
    kinds = set(map(type, values))
    allowed: set[type] = {bool} if feature.kind is Kind.BOOLEAN else {int, float}
    gaps = [row for row, value in enumerate(values) if value is None] if type(None) in kinds else []
    try:
        if not kinds <= allowed | {type(None)}:
            raise OverflowError
        # numpy converts None to NaN
        array = np.array(values, dtype=np.float64)
    except OverflowError:  # a wrong type, or an integer beyond the range of floats
        array = np.array([_as_float(value, allowed) for value in values])
    if feature.kind is Kind.BOOLEAN:
        return array, _without_gaps(np.isnan(array), gaps if feature.missing else ())
    return array, _odd_numbers(feature, array, gaps)


def _judge_categories(feature: Feature, values: Sequence[Any]) -> tuple[NDArray[Any], Iterable[int]]:
    array = np.empty(len(values), dtype=object)
    try:
        distinct = set(values)
    except TypeError:  # the values include lists or objects
        array[:] = [value if isinstance(value, str) else np.nan for value in values]
        return array, range(len(values))
    array[:] = [np.nan if value is None else value for value in values] if None in distinct else values
    strange = distinct - set(feature.categories) - ({None} if feature.missing else set())
    return array, [row for row, value in enumerate(values) if value in strange] if strange else ()


def _judge_dates(feature: Feature, values: Sequence[Any]) -> tuple[NDArray[Any], Iterable[int]]:
    try:
        moments = {key: feature.moment(key[1]) for key in {(type(value), value) for value in values}}
    except TypeError:  # the values include lists or objects
        return np.array(list(map(feature.moment, values)), dtype=MOMENTS), range(len(values))
    begin = feature.begin
    strange = {
        key
        for key, moment in moments.items()
        if (key[1] is not None or not feature.missing)
        and (moment is None or (begin is not None and moment < begin))
    }
    array = np.array([moments[type(value), value] for value in values], dtype=MOMENTS)
    if not strange:
        return array, ()
    return array, [row for row, value in enumerate(values) if (type(value), value) in strange]


def _as_float(value: Any, allowed: set[type]) -> float:
    if type(value) not in allowed:
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return np.inf


def _odd_numbers(feature: Feature, array: NDArray[np.float64], gaps: Sequence[int]) -> Iterable[int]:
    """Return the rows of a column of numbers that may have an error or a warning.

    Args:
        gaps: the rows with a missing value.
    """
    size = np.abs(array)
    odd = ~(size <= LARGEST)
    if feature.kind is Kind.INTEGER:
        # beyond EXACT a fraction may have been lost in the conversion to a float
        odd |= (np.floor(array) != array) | (size >= EXACT)
    if feature.low is not None and feature.high is not None:
        odd |= (array < feature.low) | (array > feature.high)
    return _without_gaps(odd, gaps if feature.missing else ())


def _without_gaps(odd: NDArray[np.bool_], gaps: Sequence[int]) -> list[int]:
    odd[list(gaps)] = False
    rows: list[int] = odd.nonzero()[0].tolist()
    return rows


def _judge_cells(
    feature: Feature, cells: Sequence[str], notation: Notation
) -> tuple[NDArray[Any], Cells, Iterable[int]]:
    """Read a column of cells by its distinct texts.

    Returns:
        (values, JSON texts, rows that the contract has to check one by one).
    """
    codes, distinct = _coded(cells)
    values = [read_cell(feature, cell, notation) for cell in distinct]
    array, suspects = _judge(feature, values)
    is_suspect = np.zeros(len(distinct), dtype=bool)
    is_suspect[list(suspects)] = True
    written = Cells.of(orjson.dumps(value).decode() for value in values)
    return array[codes], written.at(codes), is_suspect[codes].nonzero()[0].tolist()


def _coded(cells: Sequence[str]) -> tuple[NDArray[np.intp], list[str]]:
    """Return a code for each cell, and the distinct cells by code."""
    coded = cells.codes() if isinstance(cells, Cells) else None
    if coded:
        return coded[0], list(coded[1])
    places: dict[str, int] = {}
    codes = [places.setdefault(cell, len(places)) for cell in cells]
    return np.array(codes, dtype=np.intp), list(places)


def _plain_numbers(
    cells: Sequence[str], marks: Collection[str]
) -> tuple[NDArray[np.float64], Sequence[str], Sequence[int]] | None:
    """Read a column of numbers in the notation of JSON.

    Returns:
        (values, JSON texts, rows without a value), or None if a cell is written differently, or if a mark for a missing
        value is a number.
    """
    if any(map(is_plain_number, marks)):
        return None
    if isinstance(cells, Cells):
        numbers = cells.numbers(compare=False)
        if len(numbers.odd) <= len(cells) * FEW_ODD:
            return _with_odd(cells, numbers, marks)
    array = _from_json(cells)
    if array is not None:
        return array, cells, []
    gaps = [row for row, cell in enumerate(cells) if cell in MISSING or cell in marks]
    texts = list(cells)
    for row in gaps:
        texts[row] = "0"
    array = _from_json(texts) if gaps else None
    if array is None:
        return None
    array[gaps] = np.nan
    for row in gaps:
        texts[row] = "null"
    return array, texts, gaps


def _with_odd(
    cells: Cells, numbers: Numbers, marks: Collection[str]
) -> tuple[NDArray[np.float64], Cells, Sequence[int]] | None:
    """Add the few cells with exponents or marks for missing numbers; see `_plain_numbers`."""
    odd = list(cells.at(numbers.odd))
    is_gap = np.array([cell in MISSING or cell in marks for cell in odd], dtype=bool)
    read = _from_json([cell for cell in odd if not (cell in MISSING or cell in marks)])
    if read is None:
        return None
    array = numbers.values.astype(np.float64)
    array[numbers.odd[~is_gap]] = read
    gaps = [*np.flatnonzero(numbers.is_empty).tolist(), *numbers.odd[is_gap].tolist()]
    array[gaps] = np.nan
    return array, cells.or_null(gaps), gaps


def _from_json(cells: Sequence[str]) -> NDArray[np.float64] | None:
    joined = ",".join(cells)
    if not joined.isascii() or joined.encode().translate(None, _NUMBER_CHARACTERS):
        return None
    try:
        values = orjson.loads(f"[{joined}]")
    except orjson.JSONDecodeError:
        return None
    # a decimal comma would split one number into two
    return np.array(values, dtype=np.float64) if len(values) == len(cells) else None
