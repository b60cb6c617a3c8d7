"""Import of datasets: the same content is stored once, under its SHA-256."""

from collections.abc import Collection, Mapping
from typing import IO, Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files import File
from django.db import IntegrityError, transaction
from django.db.models import Max

from clfsite.core.errors import Conflict, InvalidInput, TooLarge
from clfsite.core.storage import files
from training.ml.files.options import AUTOMATIC, Options
from training.ml.files.reading import TableError
from training.ml.tables.contract import ContractError
from training.models import Dataset
from training.names import check_name

# characters, as declared by the model
LONGEST_TARGET = 255


def import_dataset(
    *,
    name: str,
    target: str,
    source: IO[bytes] | File,  # type: ignore[type-arg]
    categories: Collection[str] = (),
    options: Options = AUTOMATIC,
    positive: str | None = None,
    user: User | None = None,
    origin: Mapping[str, Any] | None = None,
) -> Dataset:
    """Store a table as the next dataset of this name, or return the existing one with the same content.

    The same table is the same dataset in every form: it is stored as CSV in one notation.

    Args:
        source: CSV in any notation, a workbook or Parquet, also compressed with gzip.
        categories: columns of codes that are read as written; in other columns, a few texts among numbers are refused
            as typing errors. An existing dataset keeps its contract.
        options: how the file is written, where it shall not be recognised.
        positive: the positive class of two; None for the usual guess.
        origin: the query of which it is the result, see `Dataset.origin`.

    Raises:
        InvalidInput: the name, the file or its target column cannot be used.
        TooLarge: the file is larger than CLFSITE_UPLOAD_BYTES.
        Unavailable: storage does not respond.
    """
    check_name(name, "dataset")
    if len(target) > LONGEST_TARGET:
        raise InvalidInput(
            f"the target's name has {len(target)} characters; at most {LONGEST_TARGET} are allowed"
        )
    limit = settings.CLFSITE_UPLOAD_BYTES
    with files.scratch() as folder:
        path = folder / "upload"
        try:
            sha256, size = files.copy_hashed(source, path, limit)
        except OverflowError as error:
            raise TooLarge(
                f"the file is larger than the limit of {limit:,} bytes (CLFSITE_UPLOAD_BYTES)"
            ) from error
        same = Dataset.objects.filter(name=name, target=target)
        existing = None if options else same.filter(sha256=sha256).first()
        if existing and _is_stored(existing.file_name, sha256):
            return existing
        from training.datasets import (
            frames,  # imported here, because pandas slows down the start of the site
        )

        try:
            read = frames.read_file(path, folder, target, categories, options, limit)
            if read.path != path:
                with read.path.open("rb") as file:
                    sha256 = files.digest(file)
                size = read.path.stat().st_size
            existing = same.filter(sha256=sha256).first()
            stored = _is_stored(f"{sha256}.csv", sha256)
            if existing and stored:
                return existing
            values = frames.survey(read, target, categories, positive)
        except (TableError, ContractError) as error:
            raise as_invalid_input(error) from error
        if not stored:
            with read.path.open("rb") as file:
                files.datasets().save(f"{sha256}.csv", File(file))
    return existing or _insert_dataset(
        name=name,
        target=target,
        sha256=sha256,
        size_bytes=size,
        created_by=user,
        origin=dict(origin or {}),
        **values,
    )


def _is_stored(name: str, sha256: str) -> bool:
    """Return whether this content is in storage unchanged."""
    try:
        with files.datasets().open(name) as file:
            return files.digest(file) == sha256
    except FileNotFoundError:
        return False


def as_invalid_input(error: Exception) -> InvalidInput:
    """Convert an error of `training.ml` to an InvalidInput, with the places in the file if it has any."""
    problems = error.problems if isinstance(error, TableError) else []
    return InvalidInput(str(error), [vars(problem) for problem in problems])


def _insert_dataset(**values: Any) -> Dataset:
    """Insert the row with the next number; the constraints detect simultaneous uploads."""
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
    raise Conflict(f"too many uploads of {values['name']} at the same time; try again")
