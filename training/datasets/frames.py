"""Datasets as pandas frames: the inspection of a new table, and reading a stored one to train on."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from clfsite.core.errors import Conflict, NotFound
from clfsite.core.storage import files
from training.ml.tables import findings, inference
from training.ml.tables.contract import Contract
from training.ml.tables.corrections import AS_INFERRED, Choice, Corrections
from training.ml.tables.loading import read_table
from training.ml.tables.profile import describe
from training.models import Dataset


def survey(path: Path, target: str, categories: Collection[str]) -> dict[str, Any]:
    """Read a CSV file and return the values of a dataset's fields by name.

    Raises:
        ContractError, TableError: the table cannot be used to train.
    """
    # Labels are read as texts, because classes have the spelling of the file, such as 01.
    frame = read_table(path, texts={*categories, target})
    contract = inference.infer(frame, target, Corrections(dict.fromkeys(categories, Choice.CATEGORY)))
    return {
        "contract_data": contract.to_dict(),
        "profile": describe(frame, target),
        "warnings": [vars(finding) for finding in findings.find(frame, contract)],
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
    texts = {*dataset.contract.categories, *corrections.chosen(Choice.CATEGORY)} - numbers
    texts.add(dataset.target)
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
        return read_table(path, texts=texts, numbers=numbers)
