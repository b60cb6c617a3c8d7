"""`make prove`: the tests that kill, freeze and flush what the site runs on, and a line for each promise in the end."""

import os
import signal
import subprocess
import sys

from tests.support import services

LIMIT_SECONDS = 570
ENDING_SECONDS = 30


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
    # two at a time: the training that is killed and the site that is harmed have nothing in common
    command = [sys.executable, "-m", "pytest", "-n", "2", *marks, *arguments]
    tests = subprocess.Popen(command, env=kept)
    try:
        return tests.wait(LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"\nnot over within {LIMIT_SECONDS} s: what is left is not tried", flush=True)
        # as Ctrl-C does: the servers are ended and what was found is printed
        tests.send_signal(signal.SIGINT)
        try:
            tests.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            tests.kill()
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
