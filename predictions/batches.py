"""CSV files scored as jobs: checked whole before the first row is answered, then scored in pieces."""

import csv
import io
import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.files import File
from django.core.files.storage import Storage, storages
from django.db import transaction

from predictions import services
from predictions.live import Live, models
from predictions.models import Batch, Prediction
from training.errors import InvalidInput, Refused
from training.ml.columns import read_cell
from training.ml.contract import Contract
from training.ml.table import MAX_PROBLEMS, TableError, rows
from training.queue import wake
from training.storage import CHUNK, scratch

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 500
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def files() -> Storage:
    return storages["batches"]


def create_batch(*, source: File, caller: str, model: str | None = None, user: User | None = None) -> Batch:  # type: ignore[type-arg]
    """Store an upload and queue its scoring with the version active now.

    Raises:
        InvalidInput: not CSV, or its columns are not those of the contract.
        NotFound, Unavailable: see `LiveModels.get`.
    """
    live = models.get(model)
    with scratch() as folder:
        path = folder / "source.csv"
        _copy(source, path)
        _check_header(path, live.contract)
        with transaction.atomic():
            batch = Batch.objects.create(
                version_id=live.version_id,
                file_name=Path(source.name or "upload.csv").name[:255],
                caller=caller,
                created_by=user,
            )
            with path.open("rb") as file:
                files().save(batch.source_name, File(file))
            transaction.on_commit(lambda: wake("predictions.tasks.score_batch", batch.pk))
    return batch


def _copy(source: File, path: Path) -> None:  # type: ignore[type-arg]
    with path.open("wb") as file:
        while chunk := source.read(CHUNK):
            file.write(chunk)


def execute_batch(batch: Batch) -> None:
    """Score a queued batch; its row tells how it ended, and a refused file leaves no prediction behind."""
    if not batch.start():
        return
    try:
        live = models.get(batch.version.classifier.name, batch.version.number)
        with scratch() as folder:
            path = folder / "source.csv"
            with files().open(batch.source_name) as stored:
                _copy(stored, path)
            total = _check_rows(path, live)
            batch.note(done=0, total=total)
            result = folder / "result.csv"
            _score_file(batch, live, path, result, total)
            with result.open("rb") as file:
                files().save(batch.result_name, File(file))
        batch.succeed()
    except Refused as error:
        batch.fail(str(error), error.errors)
    except Exception as error:
        logger.exception("batch %s failed", batch.pk)
        batch.fail(f"{type(error).__name__}: {error}"[:2_000])


def _check_header(path: Path, contract: Contract) -> list[str]:
    """Return the file's columns.

    Raises:
        InvalidInput: a feature has no column, or a column is no feature.
    """
    try:
        header = next(rows(path))[1]
    except TableError as error:
        raise InvalidInput(str(error), [vars(problem) for problem in error.problems]) from error
    missing = [name for name in contract.names if name not in header]
    extra = [name for name in header if name not in contract.names and name not in _ignored(contract)]
    problems = [
        {"line": 1, "column": name, "message": "this feature has no column in the file"} for name in missing
    ]
    problems += [
        {"line": 1, "column": name, "message": "this column is not a feature of the model"} for name in extra
    ]
    if problems:
        found = [f"no column for {', '.join(missing[:5])}"] if missing else []
        found += [f"no feature called {', '.join(extra[:5])}"] if extra else []
        raise InvalidInput(f"the columns do not fit the model: {'; '.join(found)}", problems[:MAX_PROBLEMS])
    return header


def _ignored(contract: Contract) -> set[str]:
    """Columns of a training table that are no inputs: they may stay in a file to score."""
    return {contract.target, *contract.left_out}


def _records(path: Path, contract: Contract) -> Iterator[tuple[int, list[str], dict[str, Any]]]:
    """Yield (line, cells, record) of each row."""
    reader = rows(path)
    header = next(reader)[1]
    places = [(feature, header.index(feature.name)) for feature in contract.features]
    for line, cells in reader:
        yield line, cells, {feature.name: read_cell(feature, cells[place]) for feature, place in places}


def _check_rows(path: Path, live: Live) -> int:
    """Check every row and return how many there are.

    Raises:
        InvalidInput: naming the first faults by line and column.
    """
    problems: list[dict[str, Any]] = []
    count = bad = 0
    try:
        for line, _, record in _records(path, live.contract):
            count += 1
            errors, warnings = live.contract.check(record)
            found = errors + warnings if live.strict else errors
            bad += bool(found)
            if len(problems) < MAX_PROBLEMS:
                problems += [
                    {"line": line, "column": issue.feature, "message": issue.message} for issue in found
                ]
    except TableError as error:
        raise InvalidInput(str(error), [vars(problem) for problem in error.problems]) from error
    if count == 0:
        raise InvalidInput("the file has a header and no rows; add at least one row")
    if problems:
        raise InvalidInput(f"{bad} of {count} rows were refused; nothing was scored", problems[:MAX_PROBLEMS])
    return count


def _score_file(batch: Batch, live: Live, path: Path, result: Path, total: int) -> None:
    header = next(rows(path))[1]
    reader = _records(path, live.contract)
    done = 0
    with result.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        probabilities = [f"probability_{label}" for label in live.contract.classes]
        writer.writerow(
            ["prediction_id", "label", "probability", *map(safe_cell, probabilities), *map(safe_cell, header)]
        )
        while piece := list(islice(reader, ROWS_AT_ONCE)):
            predictions = services.score(
                live=live,
                records=[record for _, _, record in piece],
                source=Prediction.Source.CSV,
                caller=batch.caller,
                batch=batch.pk,
                first_row=done,
            )
            services.commit(live, predictions)
            for (_, cells, _), prediction in zip(piece, predictions, strict=True):
                writer.writerow(
                    [
                        prediction.id,
                        safe_cell(prediction.label),
                        prediction.probability,
                        *prediction.probabilities.values(),
                        *map(safe_cell, cells),
                    ]
                )
            done += len(piece)
            batch.note(done=done, total=total)


def safe_cell(cell: str) -> str:
    """A text cell that a spreadsheet would run as a formula gets a quote in front; a number stays a number."""
    if not cell.startswith(FORMULA_STARTS):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def read_result(batch: Batch, limit: int) -> tuple[list[str], list[list[str]]]:
    """The header and the first rows of a finished batch's result file."""
    with files().open(batch.result_name) as stored:
        reader = csv.reader(io.TextIOWrapper(stored, encoding="utf-8", newline=""))
        header = next(reader)
        return header, list(islice(reader, limit))
