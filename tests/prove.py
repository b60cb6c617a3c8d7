"""`make prove`: the tests that kill, freeze and flush what the site runs on, and a line for each promise in the end."""

import os
import subprocess
import sys

from tests import services

LIMIT_SECONDS = 600


def main(arguments: list[str]) -> int:
    """Run them once and return the exit status."""
    missing = services.missing()
    for name, why in missing.items():
        print(f"{name}: not used, its tests are skipped ({why})", flush=True)
    kept = {
        key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "CELERY_BROKER_URL"}
    }
    # those of the suite that prove a promise too, on PostgreSQL where it answers: that is what promises are made on
    if "postgresql" not in missing:
        kept["DATABASE_URL"] = services.DATABASE_URL
    marks = ["-m", "faults or promise", "-p", "tests.promises", "--durations", "10"]
    command = [sys.executable, "-m", "pytest", *marks, *arguments]
    try:
        return subprocess.run(command, env=kept, check=False, timeout=LIMIT_SECONDS).returncode
    except subprocess.TimeoutExpired:
        print(f"not over within {LIMIT_SECONDS} s", flush=True)
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
