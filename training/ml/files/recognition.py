"""The notation of a file to score: recognised in its first rows, with that of the training table to settle doubts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from training.ml.files.blocks import read_blocks, read_header
from training.ml.files.cells.numbers import plain_numbers
from training.ml.files.notation import Evidence, MixedError, Notation, decide_number
from training.ml.files.sources import Note
from training.ml.tables.contract import Contract, Feature, Kind

_NUMBERS = frozenset([Kind.NUMBER, Kind.INTEGER])


def recognise_notations(
    path: Path, delimiter: str, contract: Contract, *, is_typed: bool = False
) -> tuple[dict[str, Notation], list[Note]]:
    """Return the notations of a CSV file's columns that differ from those of the training table, and what to tell.

    Args:
        is_typed: whether the file was made of one that tells numbers from texts, see `Source.is_typed`.

    Raises:
        TableError: the file is not CSV.
    """
    header = read_header(path, delimiter)
    first = next(islice(read_blocks(path, delimiter), 1), None)
    if first is None or not first.columns:
        return {}, []
    columns = dict(zip(header, first.columns, strict=True))
    numbers = [
        feature for feature in contract.features if feature.kind in _NUMBERS and feature.name in columns
    ]
    typed = _typed(numbers, columns) if is_typed else {}
    numbers = [feature for feature in numbers if feature.name not in typed]
    found = _decide(numbers, columns, delimiter, Evidence())
    certain = {notation.decimal for notation in found.values() if notation.is_certain}
    if len(certain) == 1:
        found = _decide(numbers, columns, delimiter, Evidence(decimal=certain.pop()))
    found |= {name: notation for name, notation in typed.items() if notation is not None}
    notes = [
        Note("notation", name, f"read as {described}")
        for name, notation in found.items()
        if (described := notation.describe())
    ]
    return found, notes


def _typed(features: Sequence[Feature], columns: Mapping[str, Sequence[str]]) -> dict[str, Notation | None]:
    """Return the features whose numbers are plain in the file; their notation if the training table has another one."""
    return {
        feature.name: replace(feature.notation, decimal=".", thousands="")
        if feature.notation.decimal != "."
        else None
        for feature in features
        if plain_numbers(columns[feature.name])
    }


def _decide(
    features: Sequence[Feature], columns: Mapping[str, Sequence[str]], delimiter: str, evidence: Evidence
) -> dict[str, Notation]:
    found = {}
    for feature in features:
        cells = columns[feature.name]
        is_open = evidence.decimal == "," and any("." in cell for cell in cells)
        if not is_open and feature.notation.decimal == "." and plain_numbers(cells):
            continue
        known = Evidence(decimal=evidence.decimal or _decimal_of(feature.notation))
        try:
            notation = decide_number(
                Counter(cells),
                delimiter=delimiter,
                evidence=known,
                marks=feature.notation.missing,
                must=True,
            )
        except MixedError:
            continue  # the check names these values by line
        is_known = feature.notation.decimal != "." and not (notation and notation.is_certain)
        if notation and notation != feature.notation and not is_known:
            marks = tuple(sorted({*notation.missing, *feature.notation.missing}))
            found[feature.name] = replace(
                notation, missing=marks, unit=notation.unit or feature.notation.unit
            )
    return found


def _decimal_of(notation: Notation) -> str:
    """Return the decimal mark of a training table's column, "" if its values do not tell."""
    if notation.decimal == ",":
        return ","
    return "." if notation.thousands == "," else ""
