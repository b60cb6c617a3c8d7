"""Tables: stored once by their content, and read back only as they were stored."""

from pathlib import Path
from typing import IO, Any

import pandas as pd
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files import File
from django.db import IntegrityError, transaction
from django.db.models import Max

from training import storage
from training.errors import Conflict, InvalidInput, NotFound, TooLarge
from training.ml import contract, table
from training.ml.profile import describe
from training.models import Dataset
from training.services.names import check_name

# as the column of the row is declared
LONGEST_TARGET = 255


def import_dataset(*, name: str, target: str, source: IO[bytes] | File, user: User | None = None) -> Dataset:  # type: ignore[type-arg]
    """Store a CSV as the next dataset of this name, or return the one that has this very content.

    Raises:
        InvalidInput: the name, the file or its target column cannot be used.
        TooLarge: more bytes than CLFSITE_UPLOAD_BYTES.
        Unavailable: storage does not answer.
    """
    check_name(name, "dataset")
    if len(target) > LONGEST_TARGET:
        raise InvalidInput(
            f"the target's name has {len(target)} characters; at most {LONGEST_TARGET} are taken"
        )
    with storage.scratch() as folder:
        path = folder / "table.csv"
        try:
            sha256, size = storage.copy_hashed(source, path, settings.CLFSITE_UPLOAD_BYTES)
        except OverflowError as error:
            limit = settings.CLFSITE_UPLOAD_BYTES
            raise TooLarge(
                f"the file is larger than the limit of {limit:,} bytes (CLFSITE_UPLOAD_BYTES)"
            ) from error
        existing = Dataset.objects.filter(name=name, target=target, sha256=sha256).first()
        stored = _is_stored(f"{sha256}.csv", sha256)
        if existing and stored:
            return existing
        frame, inferred = _read(path, target)
        if not stored:
            with path.open("rb") as file:
                storage.datasets().save(f"{sha256}.csv", File(file))
    if existing:
        return existing
    return _insert_dataset(
        name=name,
        target=target,
        sha256=sha256,
        contract_data=inferred.to_dict(),
        profile=describe(frame),
        rows=len(frame),
        columns=len(frame.columns),
        size_bytes=size,
        created_by=user,
    )


def _is_stored(name: str, sha256: str) -> bool:
    """Whether this content lies in storage unchanged."""
    try:
        with storage.datasets().open(name) as file:
            return storage.digest(file) == sha256
    except FileNotFoundError:
        return False


def _read(path: Path, target: str) -> tuple[pd.DataFrame, contract.Contract]:
    try:
        frame = table.read_table(path)
        return frame, contract.infer(frame, target)
    except table.TableError as error:
        raise InvalidInput(str(error), [vars(fault) for fault in error.problems]) from error
    except contract.ContractError as error:
        raise InvalidInput(str(error)) from error


def _insert_dataset(**values: Any) -> Dataset:
    """Insert with the next number; two uploads at once are told apart by the constraints."""
    for _ in range(10):
        last = Dataset.objects.filter(name=values["name"]).aggregate(last=Max("number"))["last"]
        try:
            with transaction.atomic():
                return Dataset.objects.create(number=(last or 0) + 1, **values)
        except IntegrityError:
            same = {key: values[key] for key in ("name", "target", "sha256")}
            twin = Dataset.objects.filter(**same).first()
            if twin:
                return twin
    raise Conflict(f"many uploads of {values['name']} at once; try again")


def load_table(dataset: Dataset) -> pd.DataFrame:
    """Read a stored dataset, after comparing its bytes with the row's SHA-256.

    Raises:
        NotFound: its file is gone. Conflict: its file was changed. Unavailable: storage does not answer.
    """
    with storage.scratch() as folder:
        path = folder / "table.csv"
        try:
            with storage.datasets().open(dataset.file_name) as file:
                sha256, _ = storage.copy_hashed(file, path, dataset.size_bytes)
        except FileNotFoundError as error:
            raise NotFound(
                f"the file of dataset {dataset} is gone from storage; upload the table again"
            ) from error
        except OverflowError:
            sha256 = ""
        if sha256 != dataset.sha256:
            raise Conflict(
                f"the stored file of dataset {dataset} is not the one that was uploaded; upload it again"
            )
        return table.read_table(path)
