"""Downloads of a batch: results and errors."""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from django.http import FileResponse, StreamingHttpResponse
from django.utils.text import slugify

from clfsite.core.errors import Conflict, NotFound
from clfsite.core.storage.files import CHUNK
from clfsite.core.web.csv_output import CONTENT_TYPE
from predictions.batches.models import Batch
from predictions.batches.service import files


def answers(batch: Batch) -> StreamingHttpResponse:
    """The result of a batch as a streaming response.

    Raises:
        Conflict: the batch has not succeeded. NotFound: its files are missing from storage.
    """
    if batch.state != Batch.State.SUCCEEDED:
        raise Conflict(f"{batch} is {batch.state}; the results can be downloaded once it has succeeded")
    if batch.files_removed_at:
        raise NotFound(
            f"the files of {batch} were removed on {batch.files_removed_at:%Y-%m-%d} to free space; the predictions stay "
            "in the log"
        )
    parts = list(batch.parts.values_list("number", "size_bytes"))
    names = [batch.part_name(number) for number, _ in parts]
    if not names or not files().exists(names[0]):
        raise NotFound(f"the result file of {batch} is missing from storage; the predictions are in the log")
    return StreamingHttpResponse(
        _content(names),
        content_type=CONTENT_TYPE,
        headers={
            "Content-Disposition": f'attachment; filename="{_stem(batch)}-answers-{batch.pk}.csv"',
            "Content-Length": str(sum(size for _, size in parts)),
        },
    )


def errors(batch: Batch) -> FileResponse:
    """The error file of a batch as a response.

    Raises:
        NotFound: there are no errors, or their file is missing from storage.
    """
    try:
        file = files().open(batch.errors_name)
    except FileNotFoundError as error:
        raise NotFound(f"{batch} has no error file: all checked rows are valid") from error
    name = f"{_stem(batch)}-errors-{batch.pk}.csv"
    return FileResponse(file, as_attachment=True, filename=name, content_type=CONTENT_TYPE)


def first_rows(batch: Batch, limit: int) -> tuple[list[str], list[list[str]]]:
    """The header and the first rows of a batch's result.

    Raises:
        OSError: the files are missing from storage.
    """
    with files().open(batch.part_name(0)) as stored:
        reader = csv.reader(io.TextIOWrapper(stored, encoding="utf-8", newline=""))
        header = next(reader)
        # in results of earlier releases, a line end in a cell breaks the row
        return header, [row for row in islice(reader, limit) if len(row) == len(header)]


def _content(names: list[str]) -> Iterator[bytes]:
    for name in names:
        with files().open(name) as file:
            while chunk := file.read(CHUNK):
                yield chunk


def _stem(batch: Batch) -> str:
    """The uploaded file's name with only the characters that are safe in a header and on any disk."""
    return slugify(Path(batch.file_name).stem)[:100] or "batch"
