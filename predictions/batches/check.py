"""The check of a file before it is scored: its columns, its first rows, and all problems."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from django.conf import settings

from clfsite.core.errors import InvalidInput
from clfsite.core.requests.members import nearest, shorten
from clfsite.core.web import csv_output
from predictions.log import references
from training.datasets.service import as_invalid_input
from training.ml.files.blocks import Block, Place, read_blocks, read_header
from training.ml.files.cells.cells import Cells
from training.ml.files.notation import Notation
from training.ml.files.reading import MAX_PROBLEMS, TableError
from training.ml.files.recognition import recognise_notations
from training.ml.files.sources import CSV, open_source
from training.ml.tables.checks import Checked, check_cells
from training.ml.tables.contract import WRITTEN, Contract, Feature

# most problems in the row of a batch, and in its error file
KEPT_PROBLEMS = 100
# most columns of a file that are compared with the name of a missing one
MOST_COMPARED = 200
# most columns that a message names
NAMED = 5
LISTED_PROBLEMS = 1_000_000
SHOWN_ROWS, SHOWN_COLUMNS, SHOWN_CHARACTERS = 10, 100, 60
ERRORS_HEADER = ("line", "column", "code", "message")

Problem = dict[str, Any]


@dataclass
class Verdict:
    """The result of a check.

    Attributes:
        rows, bad, unseen: all rows, invalid rows, and rows with a value outside the training data.
        problems: the first problems, of `problem_count`.
        bad_values, unseen_values: their number by feature.
        first_rows: the start of the file, cells cut to a readable length.
        carried: the columns that are not features.
        empty_lines: number of skipped empty lines.
        places: where the parts are in the file.
    """

    rows: int = 0
    bad: int = 0
    unseen: int = 0
    problem_count: int = 0
    problems: list[Problem] = field(default_factory=list)
    bad_values: Counter[str] = field(default_factory=Counter)
    unseen_values: Counter[str] = field(default_factory=Counter)
    first_rows: list[list[str]] = field(default_factory=list)
    carried: list[str] = field(default_factory=list)
    empty_lines: int = 0
    places: list[Place] = field(default_factory=list)

    @property
    def preview(self) -> dict[str, Any]:
        """The verdict as JSON values."""
        return {
            "rows": self.first_rows,
            "bad_values": self.bad_values,
            "unseen_values": self.unseen_values,
            "carried": self.carried,
            "empty_lines": self.empty_lines,
            # the result of a batch that an earlier release checked has no such columns
            "has_rows": True,
        }


def read_form(upload: Path, folder: Path, contract: Contract) -> tuple[Path, dict[str, Any]]:
    """Return the path of an uploaded file as CSV, and what was recognised as JSON values.

    Args:
        folder: for a file that is made of another form.

    Raises:
        InvalidInput: the file is no table.
    """
    try:
        source = open_source(upload, folder, limit=settings.CLFSITE_UPLOAD_BYTES, known=contract.names)
    except TableError as error:
        raise as_invalid_input(error) from error
    notes = [vars(note) for note in source.notes]
    return source.path, {
        "form": source.form,
        "delimiter": source.delimiter,
        "facts": source.facts,
        "notes": notes,
    }


def recognise(path: Path, reading: dict[str, Any], contract: Contract) -> dict[str, Any]:
    """Return what was recognised in a file and in its columns, as JSON values.

    Args:
        reading: from `read_form`.

    Raises:
        InvalidInput: the file is not CSV.
    """
    try:
        notations, notes = recognise_notations(
            path, reading["delimiter"], contract, is_typed=reading["form"] != CSV
        )
    except TableError as error:
        raise as_invalid_input(error) from error
    columns = {name: notation.to_dict() for name, notation in notations.items()}
    return {**reading, "columns": columns, "notes": [*reading["notes"], *map(vars, notes)]}


def check_columns(
    path: Path, contract: Contract, delimiter: str = "", *, model: str = "the model"
) -> list[str]:
    """Return the names of a file's columns.

    Args:
        model: the name of the classifier, for the error.

    Raises:
        InvalidInput: the file is not CSV, or a feature has no column.
    """
    try:
        header = _read_header(path, contract, delimiter)
    except TableError as error:
        raise as_invalid_input(error) from error
    missing = [name for name in contract.names if name not in header]
    if missing:
        others = carried(header, contract)[:MOST_COMPARED]
        close = {name: nearest(name, others) for name in missing[:MAX_PROBLEMS]}
        problems = [_no_column(name, other) for name, other in close.items()]
        mistyped = list(filter(None, close.values()))
        problems += [
            _problem(1, shorten(name), "unknown_column", "this column is not a feature of the model")
            for name in mistyped
        ]
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        reasons = [f"no column for {', '.join(missing[:NAMED])}{more}"]
        reasons += [f"no feature named {', '.join(map(shorten, mistyped[:NAMED]))}"] if mistyped else []
        raise InvalidInput(f"the columns do not fit {model}: {'; '.join(reasons)}", problems[:MAX_PROBLEMS])
    return header


def _read_header(path: Path, contract: Contract, delimiter: str) -> list[str]:
    """The names of a file's columns, without the marks of a file of ours."""
    return csv_output.read_header(read_header(path, delimiter), contract.names)


def _no_column(name: str, close: str | None) -> Problem:
    hint = f'; did you mean the column "{shorten(close)}"?' if close else ""
    return _problem(1, name, "no_column", f"this feature has no column in the file{hint}")


def carried(header: list[str], contract: Contract) -> list[str]:
    """The columns of a file that are not features; they are kept in the result."""
    features = set(contract.names)
    return [name for name in header if name not in features]


def features_of(block: Block, header: list[str], contract: Contract) -> list[Any]:
    """The cells of a block by feature, in the contract's order."""
    if not block.columns:  # all rows have a wrong length
        return [() for _ in contract.features]
    columns = (block.columns[header.index(name)] for name in contract.names)
    return [_read_back(feature, cells) for feature, cells in zip(contract.features, columns, strict=True)]


def check_block(
    block: Block, header: list[str], contract: Contract, *, strict: bool, notations: Mapping[str, Notation]
) -> tuple[Checked, references.Taken | None]:
    """Check a block's cells and the callers' own keys; a row with an invalid key has an error.

    Returns:
        The checked rows, and the references if the file has a column of them.
    """
    checked = check_cells(contract, features_of(block, header, contract), strict=strict, notations=notations)
    name = references.name_in(contract)
    if name not in header or not block.columns:
        return checked, None
    taken = references.take_cells(block.columns[header.index(name)], name)
    if not taken.problems:
        return checked, taken
    errors = {place: [*checked.errors.get(place, ()), problem] for place, problem in taken.problems.items()}
    return replace(checked, errors={**checked.errors, **errors}), taken


def _read_back(feature: Feature, cells: Sequence[str]) -> Sequence[str]:
    """The cells of a column as they were before a file of ours marked those that look like formulas."""
    if feature.kind not in WRITTEN or (isinstance(cells, Cells) and not cells.begin_with(b"'").any()):
        return cells
    known = frozenset(feature.categories)
    marked = {cell: plain for cell in set(cells) if (plain := csv_output.read_back(cell, known)) != cell}
    return [marked.get(cell, cell) for cell in cells] if marked else cells


def check_rows(
    path: Path,
    contract: Contract,
    *,
    delimiter: str = "",
    notations: Mapping[str, Notation] = MappingProxyType({}),
    strict: bool,
    errors: Path,
    note: Callable[[int, int], None],
) -> Verdict:
    """Check all rows, and write all problems to a CSV file.

    Args:
        delimiter, notations: of the file, as recognised.
        strict: whether a value outside the training data is a problem.
        errors: the path of that file; it is only created if there is a problem.
        note: called with the number of checked rows and bytes after each block.

    Raises:
        InvalidInput: the file is not CSV up to its end, or has no rows.
    """
    verdict = Verdict()
    header = _read_header(path, contract, delimiter)
    verdict.carried = carried(header, contract)
    try:
        with _Listing(errors) as listing:
            for block in read_blocks(path, delimiter):
                checked, _ = check_block(block, header, contract, strict=strict, notations=notations)
                _judge(verdict, block, checked, listing)
                note(verdict.rows, block.offset)
    except TableError as error:
        refused = as_invalid_input(error)
        refused.errors = [*verdict.problems, *refused.errors]
        raise refused from error
    if not verdict.rows:
        raise InvalidInput("the file has a header and no rows; add at least one row")
    return verdict


def _judge(verdict: Verdict, block: Block, checked: Checked, listing: "_Listing") -> None:
    verdict.places.append(block.place)
    verdict.rows += block.rows
    verdict.empty_lines += block.empty
    verdict.bad += len(block.problems) + len(checked.errors)
    verdict.unseen += len(checked.warnings)
    for problems in checked.errors.values():
        verdict.bad_values.update(problem.feature for problem in problems)
    for problems in checked.warnings.values():
        verdict.unseen_values.update(problem.feature for problem in problems)
    for problem in _problems(block, checked):
        verdict.problem_count += 1
        if len(verdict.problems) < KEPT_PROBLEMS:
            verdict.problems.append(problem)
        listing.add(problem)
    if missing := SHOWN_ROWS - len(verdict.first_rows):
        shown = [column[:missing] for column in block.columns[:SHOWN_COLUMNS]]
        verdict.first_rows += [
            [cell[:SHOWN_CHARACTERS] for cell in cells] for cells in zip(*shown, strict=True)
        ]


def _problems(block: Block, checked: Checked) -> Iterator[Problem]:
    """The problems of a block in the order of its rows."""
    by_row: dict[int, list[Problem]] = {
        row: [_problem(problem.line, problem.column, "wrong_length", problem.message)]
        for row, problem in block.problems.items()
    }
    for place, problems in checked.errors.items():
        line = block.lines[place]
        by_row[block.kept[place]] = [
            _problem(line, problem.feature, problem.code, problem.message) for problem in problems
        ]
    for row in sorted(by_row):
        yield from by_row[row]


def _problem(line: int, column: str, code: str, message: str) -> Problem:
    return {"line": line, "column": column, "code": code, "message": message}


class _Listing:
    """The file of all problems, created with the first problem, with at most a million."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = None
        self._count = 0

    def __enter__(self) -> "_Listing":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def add(self, problem: Problem) -> None:
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8", newline="")
            self._file.write(csv_output.text([csv_output.header(ERRORS_HEADER)]))
        self._count += 1
        if self._count <= LISTED_PROBLEMS:
            self._file.write(csv_output.text(csv_output.lines([[problem[name] for name in ERRORS_HEADER]])))
