"""Load from wrk, which takes next to nothing of the machine that both sides share with it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True)
class Figures:
    """What wrk saw of one kind of call."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def post(url: str, body: Path, *, connections: int, seconds: int, key: str = "") -> Figures:
    """Post a body over and over for so many seconds."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT), url],
        env={**os.environ, "BODY": str(body), **({"KEY": key} if key else {})},
        check=True,
        capture_output=True,
        text=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("figures "))
    requests, microseconds, p50, p99, errors = map(int, line.split()[1:])
    return Figures(requests, microseconds / 1e6, p50 / 1e3, p99 / 1e3, errors)
