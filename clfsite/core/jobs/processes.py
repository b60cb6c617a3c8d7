"""Child processes: none survives its parent, and process groups are stopped completely."""

import os
import signal
import subprocess
import threading
import time

# seconds between two checks of the parent
POLL_SECONDS = 0.5


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all remaining processes of its session."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def die_with_parent(how: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to this process group when its parent process has ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os.killpg(0, how)

    threading.Thread(target=watch, name="die-with-parent", daemon=True).start()
