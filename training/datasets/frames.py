"""Datasets as pandas frames: the reading of a new table, and reading a stored one to train on."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from clfsite.core.errors import Conflict, NotFound
from clfsite.core.storage import files
from training.ml.files.canonical import write_canonical
from training.ml.files.columns import Table, read_columns
from training.ml.files.loading import read_stored, with_notations
from training.ml.files.options import Options
from training.ml.files.sources import Note, Source, open_source
from training.ml.tables import findings, inference
from training.ml.tables.contract import Contract
from training.ml.tables.corrections import AS_INFERRED, Choice, Corrections
from training.ml.tables.profile import describe
from training.models import Dataset

# notes that ask for a choice are findings
ASKING = frozenset(["kept_text", "ambiguous_date", "too_large", "mixed_units"])
_CHUNK = 1024**2


@dataclass(frozen=True)
class Read:
    """A new table as read, and the file in the form in which it is stored."""

    source: Source
    table: Table
    path: Path
    options: Options

    @property
    def notes(self) -> list[Note]:
        return [*self.source.notes, *self.table.notes]


def read_file(
    path: Path, folder: Path, target: str, categories: Collection[str], options: Options, limit: int
) -> Read:
    """Read a file of any form, and write it as it is stored.

    Args:
        folder: for the files that are made on the way.
        categories: columns whose cells are kept as written.
        limit: bytes after unpacking.

    Raises:
        TableError: the file cannot be read.
    """
    source = open_source(path, folder, options, limit=limit)
    table = read_columns(
        source.path,
        source.delimiter,
        target=target,
        texts=categories,
        options=options,
        is_typed=source.is_typed,
    )
    stored = source.path
    if not table.is_canonical or not _has_plain_lines(stored):
        stored = folder / "stored.csv"
        write_canonical(table, stored)
    return Read(source, table, stored, options)


def _has_plain_lines(path: Path) -> bool:
    """Return whether a file has only lines that `write_canonical` would write: no quotes, line feeds at all ends."""
    with path.open("rb") as file:
        before = b"\n"
        while chunk := file.read(_CHUNK):
            if (
                b"\r" in chunk
                or b'"' in chunk
                or b"\n\n" in before + chunk
                or chunk.startswith(b"\xef\xbb\xbf")
            ):
                return False
            before = chunk[-1:]
    return before == b"\n"


def survey(
    read: Read, target: str, categories: Collection[str], positive: str | None = None
) -> dict[str, Any]:
    """Return the values of a dataset's fields by name.

    Args:
        positive: the positive class of two; None for the usual guess.

    Raises:
        ContractError: the table cannot be used to train.
    """
    frame = with_notations(read.table)
    contract = inference.infer(frame, target, Corrections(dict.fromkeys(categories, Choice.CATEGORY)))
    contract = contract if positive is None else contract.with_positive(positive)
    asking = [note for note in read.notes if note.code in ASKING]
    found = [*findings.find(frame, contract), *asking]
    return {
        "contract_data": contract.to_dict(),
        "profile": describe(frame, target),
        "reading": {
            "form": read.source.form,
            "facts": read.source.facts,
            "options": read.options.to_dict(),
            "columns": read.table.notations(),
            "notes": [vars(note) for note in read.notes if note.code not in ASKING],
        },
        "warnings": [vars(finding) for finding in found],
        "rows": len(frame),
        "columns": len(frame.columns),
    }


def load_corrected(dataset: Dataset, corrections: Corrections) -> tuple[pd.DataFrame, Contract]:
    """Read a stored dataset and return it with its corrected contract.

    Raises:
        ContractError, TableError: a correction does not fit. NotFound, Conflict, Unavailable: see `load_table`.
    """
    known = dataset.contract
    inference.check_columns(corrections, [*known.names, *known.left_out, known.target], known.target)
    frame = load_table(dataset, corrections)
    return frame, inference.correct(known, frame, corrections)


def load_table(dataset: Dataset, corrections: Corrections = AS_INFERRED) -> pd.DataFrame:
    """Read a stored dataset after checking its SHA-256; categories are read as written.

    Raises:
        NotFound: the file is missing. Conflict: the file was changed. Unavailable: storage does not respond.
        TableError: a column cannot be read as corrected.
    """
    numbers = set(corrections.chosen(Choice.NUMBER))
    texts = {*dataset.contract.categories, *corrections.texts} - numbers
    dates = set(dataset.dates) - texts - numbers
    with files.scratch() as folder:
        path = folder / "table.csv"
        try:
            with files.datasets().open(dataset.file_name) as file:
                sha256, _ = files.copy_hashed(file, path, dataset.size_bytes)
        except FileNotFoundError as error:
            raise NotFound(
                f"the file of dataset {dataset} is missing from storage; upload the table again"
            ) from error
        except OverflowError:
            sha256 = ""
        if sha256 != dataset.sha256:
            raise Conflict(f"the stored file of dataset {dataset} was changed; upload it again")
        return read_stored(
            path,
            target=dataset.target,
            texts=texts,
            numbers=numbers,
            dates=dates,
            is_canonical=bool(dataset.reading),
        )
