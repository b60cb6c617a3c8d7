"""`make prove`: the tests that kill, freeze and flush what the site runs on, on each stack that this machine has."""

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
    command = [sys.executable, "-m", "pytest", "-m", "faults", "--durations", "0", *arguments]
    try:
        return subprocess.run(command, env=kept, check=False, timeout=LIMIT_SECONDS).returncode
    except subprocess.TimeoutExpired:
        print(f"not over within {LIMIT_SECONDS} s", flush=True)
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
