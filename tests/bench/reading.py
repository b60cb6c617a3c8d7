"""`make bench-read`: reading tables, against pandas.read_csv and against reading every cell as a text, in one run.

    python -m tests.bench.reading [ROWS]       1 million rows of 20 columns by default

Each measurement is a process of its own, in turns, three of each; of its three the fastest counts. Seconds are those of
the processor, as other processes may run beside. Memory is the most that the process has had, with all it imports.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

ROWS = 1_000_000
AT_ONCE = 50_000
ROUNDS = 3
TITLES = {
    "site": "read_table",
    "texts": "read_table, all cells as texts",
    "pandas": "pandas.read_csv",
    "long": "read_table, numbers of 16 digits",
    "long-pandas": "pandas.read_csv, numbers of 16 digits",
    "profile": "profile, contract and findings alone",
    "upload": "all of it for an upload of the CSV",
    "parquet": "all of it for an upload as Parquet",
}


def write(folder: Path, rows: int) -> None:
    """Tables of ten decimals, six whole numbers, three categories and a label: with 4 decimals, as Parquet, and in full."""
    random = np.random.default_rng(0)
    for first in range(0, rows, AT_ONCE):
        size = min(AT_ONCE, rows - first)
        decimals = {f"x{place}": random.normal(size=size) for place in range(10)}
        others = {f"n{place}": random.integers(0, 1000, size) for place in range(6)}
        others |= {f"c{place}": random.choice(["red", "green", "blue"], size) for place in range(3)}
        others["y"] = random.choice(["yes", "no"], size)
        for name, digits in (("short.csv", 4), ("long.csv", 17)):
            table = pd.DataFrame({**decimals, **others}).round(digits)
            table.to_csv(folder / name, mode="a", header=not first, index=False)
    import duckdb

    source = str(folder / "short.csv")
    duckdb.read_csv(source).write_parquet(str(folder / "table.parquet"))


def read(path: Path) -> None:
    """Read a CSV as `train` does."""
    from training.ml.files.loading import read_table

    read_table(path, target="y")


def read_as_texts(path: Path) -> None:
    """Read a CSV without the short way for plain numbers."""
    from training.ml.files import blocks

    with mock.patch.object(blocks, "split", return_value=None):
        read(path)


def read_with_pandas(path: Path) -> None:
    """Read a CSV as most programs do, which find no line of a faulty value."""
    pd.read_csv(path)


def upload(path: Path) -> None:
    """Read a file, write it as it is stored, and learn all that its page says."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clfsite.settings")
    django.setup()
    from training.datasets.frames import read_file, survey
    from training.ml.files.options import Options

    with tempfile.TemporaryDirectory() as folder:
        survey(read_file(path, Path(folder), "y", [], Options(), 2**32), "y", [])


def profile(path: Path) -> float:
    """Return the seconds after reading."""
    from training.ml.files.loading import read_table
    from training.ml.tables import findings, inference
    from training.ml.tables.profile import describe

    frame = read_table(path, target="y")
    began = time.process_time()
    findings.find(frame, inference.infer(frame, "y"))
    describe(frame, "y")
    return time.process_time() - began


WAYS: dict[str, tuple[Callable[[Path], float | None], str]] = {
    "site": (read, "short.csv"),
    "texts": (read_as_texts, "short.csv"),
    "pandas": (read_with_pandas, "short.csv"),
    "long": (read, "long.csv"),
    "long-pandas": (read_with_pandas, "long.csv"),
    "profile": (profile, "short.csv"),
    "upload": (upload, "short.csv"),
    "parquet": (upload, "table.parquet"),
}


def measure(way: str, folder: Path) -> None:
    """Print the seconds of one way and the process's memory in MB."""
    function, name = WAYS[way]
    began = time.process_time()
    seconds = function(folder / name)
    seconds = time.process_time() - began if seconds is None else seconds
    memory = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
    print(seconds, int(memory) / 1024)


def main(rows: int = ROWS) -> None:
    """Measure all ways in turns."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(folder, rows)
        best: dict[str, tuple[float, float]] = {}
        for _ in range(ROUNDS):
            for way in WAYS:
                command = [sys.executable, "-W", "ignore", "-m", "tests.bench.reading", way, place]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                seconds, memory = map(float, output.split())
                best[way] = min(best.get(way, (seconds, memory)), (seconds, memory))
    table = Table("", "CPU seconds", "rows/s", "MB")
    for way, (seconds, memory) in best.items():
        table.add_row(TITLES[way], f"{seconds:.2f}", f"{rows / seconds:,.0f}", f"{memory:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in WAYS:
        measure(sys.argv[1], Path(sys.argv[2]))
    else:
        main(*map(int, sys.argv[1:]))
