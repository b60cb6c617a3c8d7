"""What `make test`, `make test-unit`, `make coverage` and `make prove` run, with processes of tests side by side.

    python -m tests.run all|unit|coverage|faults [OPTION OF PYTEST ...]

`all` runs every test on one database, PostgreSQL where it answers and SQLite otherwise. Those marked `dialect` run on SQLite
as well, meanwhile and in one process, because the tests that start sites often wait. If no more than five tests fail, they run
once more by themselves: what passes then is named as unsteady and does not fail the whole, as a busy machine can hold up any
test that waits for processes. `coverage` runs the same once and reports which lines and branches of the site no test reached.
`faults` runs the fault tests with the other tests of the promises, and prints which promises hold.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from tests.support import services

# in the order of tests/conftest.py
SIDE_BY_SIDE = ["-n", "logical", "--no-loadscope-reorder"]
# tests of sites wait often
ONE_MORE = ["-n", str((os.cpu_count() or 1) + 1)]
DIALECT = ["-m", "dialect and not fault", "tests/integration"]
FAULT_SECONDS = 870
ENDING_SECONDS = 30
# more are no accident
FEW = 5
CACHE = Path(".pytest_cache")


def main(arguments: list[str]) -> int:
    """Run the tests that the first argument names with pytest's options that follow, and return the exit status."""
    kind, *options = arguments
    if kind == "unit":
        return _run("SQLite", "tests/unit", *options)
    missing = services.missing()
    for name, why in missing.items():
        print(f"{name}: not used, its tests are skipped ({why})", flush=True)
    lacking = sorted(services.required() & set(missing))
    if lacking:
        print(f"required by CLFSITE_REQUIRE and missing: {', '.join(lacking)}", flush=True)
        return 1
    database = "SQLite" if "postgresql" in missing else "PostgreSQL"
    if kind == "faults":
        # the training that is killed and the site that is harmed have nothing in common
        marks = ["-m", "fault or promise", "-p", "tests.support.promises", "--durations", "10"]
        return _run(database, *marks, *options, seconds=FAULT_SECONDS)
    print(f"Every test, on {database}", flush=True)
    if kind == "coverage":
        options += ["--cov", "--cov-report", "term-missing:skip-covered"]
        status = _run(database, *options)
        if database != "SQLite":
            status = _run("SQLite", *DIALECT, *options, "--cov-append") or status
        return status
    if database == "SQLite":
        return _run_again_what_fails(database, *ONE_MORE, *options)
    with tempfile.TemporaryFile("w+") as output, ThreadPoolExecutor(1) as beside:
        again = beside.submit(_run_again_what_fails, "SQLite", *DIALECT, *options, "-n", "0", output=output)
        status = _run_again_what_fails(database, *ONE_MORE, *options)
        status = again.result() or status
        output.seek(0)
        print(f"What depends on the database, on SQLite\n{output.read()}", flush=True)
    return status


def _run_again_what_fails(database: str, *options: str, output: IO[str] | None = None) -> int:
    """Run pytest once, and the tests that failed once more if they are few; say so on the terminal or in a file."""
    cache = CACHE / database if output else CACHE
    last_failed = cache / "v" / "cache" / "lastfailed"
    last_failed.unlink(missing_ok=True)
    options = (*options, "--override-ini", f"cache_dir={cache}")
    status = _run(database, *options, output=output)
    failed = (
        json.loads(last_failed.read_text())
        if status == pytest.ExitCode.TESTS_FAILED and last_failed.exists()
        else []
    )
    if not 0 < len(failed) <= FEW:
        return status
    print(f"Once more, one by one, what failed: {len(failed)}", file=output, flush=True)
    status = _run(database, *options, "--last-failed", "--numprocesses", "0", output=output)
    if not status:
        lines = (f"unsteady: failed first, passed alone: {name}" for name in failed)
        print("\n".join(lines), file=output, flush=True)
    return status


def _run(database: str, *options: str, seconds: float | None = None, output: IO[str] | None = None) -> int:
    """Run pytest once on this database, and no longer than so many seconds; its output goes to the terminal or a file."""
    environment = {
        name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "CELERY_BROKER_URL"}
    }
    if database == "PostgreSQL":
        environment["DATABASE_URL"] = services.DATABASE_URL
    command = [sys.executable, "-m", "pytest", *SIDE_BY_SIDE, *options]
    if output:
        # takes the time that the others do not need
        command = ["nice", "-n", "10", *command]
    tests = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        return tests.wait(seconds)
    except subprocess.TimeoutExpired:
        print(f"\nnot over within {seconds} s: what is left is not tried", flush=True)
        # as Ctrl-C does: servers are ended and results are printed
        tests.send_signal(signal.SIGINT)
        try:
            tests.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            tests.kill()
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
