"""`make test`: every test on SQLite, then those that use the database once more on PostgreSQL where it answers.

A process for each core runs tests, each with databases and folders of its own.
"""

import os
import subprocess
import sys

from tests.support import services

# in the given order: tests that empty the whole database come after those that need what migrations put there
SIDE_BY_SIDE = ["-n", str(len(os.sched_getaffinity(0))), "--no-loadscope-reorder"]


def main(arguments: list[str]) -> int:
    """Run both passes and return the exit status."""
    missing = services.missing()
    for name, why in missing.items():
        print(f"{name}: not used, its tests are skipped ({why})", flush=True)
    lacking = sorted(services.required() & set(missing))
    if lacking:
        print(f"required by CLFSITE_REQUIRE and missing: {', '.join(lacking)}", flush=True)
        return 1
    status = run("SQLite", {}, arguments)
    if status == 0 and "postgresql" not in missing:
        status = run(
            "PostgreSQL",
            {"DATABASE_URL": services.DATABASE_URL},
            ["-m", "database and not faults", *arguments],
        )
    return status


def run(name: str, environment: dict[str, str], arguments: list[str]) -> int:
    """Run pytest once with this database."""
    print(f"Tests on {name}", flush=True)
    kept = {
        key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "CELERY_BROKER_URL"}
    }
    return subprocess.call(
        [sys.executable, "-m", "pytest", *SIDE_BY_SIDE, *arguments], env={**kept, **environment}
    )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
