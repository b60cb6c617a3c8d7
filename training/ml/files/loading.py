"""Reading a whole file into a frame: any file of a user, and the tables that are stored."""

from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from training.ml.files.columns import Table, read_columns
from training.ml.files.notation import NOTATIONS, OFTEN_MISSING
from training.ml.files.options import AUTOMATIC, Options
from training.ml.files.sources import open_source


def read_table(
    path: Path,
    *,
    target: str = "",
    texts: Collection[str] = (),
    numbers: Collection[str] = (),
    options: Options = AUTOMATIC,
) -> pd.DataFrame:
    """Read a file with a header into a frame, shape (rows, columns): CSV in any notation, a workbook, or Parquet.

    Args:
        target: the column of labels, which are read as written.
        texts: columns whose cells are kept as written, such as codes with leading zeros.
        numbers: columns in which all values must be numbers. Names that are not in the file are ignored.
        options: how the file is written, where it shall not be recognised.

    Raises:
        TableError: the file is no table, has no rows, or has rows of a wrong length, duplicate names, or unusable
            values.
    """
    with TemporaryDirectory() as folder:
        source = open_source(path, Path(folder), options)
        table = read_columns(
            source.path,
            source.delimiter,
            target=target,
            texts=texts,
            numbers=numbers,
            options=options,
            is_typed=source.is_typed,
        )
    return with_notations(table)


def with_notations(table: Table) -> pd.DataFrame:
    """Return a table's frame, which carries the notations of its columns."""
    frame = table.frame()
    frame.attrs[NOTATIONS] = table.notations()
    return frame


def read_stored(
    path: Path,
    *,
    target: str,
    texts: Collection[str],
    numbers: Collection[str],
    dates: Collection[str],
    is_canonical: bool,
) -> pd.DataFrame:
    """Read a table as a dataset stores it.

    Args:
        texts, numbers: see `read_table`.
        dates: columns of dates in ISO 8601.
        is_canonical: whether the table was written by `write_canonical`. Older ones are as they were uploaded, with the
            marks for missing values that they have in numbers in texts as well.

    Raises:
        TableError: a column does not hold what it is said to hold.
    """
    options = Options(
        delimiter="," if is_canonical else "",
        missing=() if is_canonical else tuple(sorted(OFTEN_MISSING)),
        dates=dict.fromkeys(dates, "ISO8601"),
    )
    return read_columns(
        path,
        options.delimiter,
        target=target,
        texts=texts,
        numbers=numbers,
        options=options,
        is_stored=is_canonical,
    ).frame()
