"""Processes that start others: none outlives the one that started it, and none is left half ended."""

import os
import signal
import subprocess
import threading
import time

# between two looks at whether the parent is there
POLL_SECONDS = 0.5


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a process and of all that it started in its session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def die_with_parent(how: signal.Signals = signal.SIGKILL) -> None:
    """Send this process group a signal as soon as the process that started it is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os.killpg(0, how)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()
