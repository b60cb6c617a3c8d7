"""systemd accepts the units, and they start what there is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from clfsite.supervisor import STOP_SECONDS, WORKER
from clfsite.takeover.running import END_SECONDS
from tests.support.site import ROOT

UNITS = sorted((ROOT / "docker" / "systemd").glob("clfsite*"))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    release = tmp_path / "v1"
    programs = release / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "celery"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    (tmp_path / "current").symlink_to(release)
    names = []
    for unit in UNITS:
        # an instance, whose folder is here
        copy = tmp_path / unit.name.replace("@", "@v1")
        copy.write_text(unit.read_text().replace("/srv/clfsite", str(tmp_path)).replace("User=clfsite\n", ""))
        names.append(str(copy))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "clfsite" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_a_unit_waits_longer_than_the_server_takes_to_stop() -> None:
    for unit in UNITS:
        if seconds := re.search(r"TimeoutStopSec=(\d+)", unit.read_text()):
            assert int(seconds[1]) > max(STOP_SECONDS, END_SECONDS)


def test_the_worker_of_the_unit_is_that_of_the_server() -> None:
    text = (ROOT / "docker" / "systemd" / "clfsite-worker@.service").read_text()
    assert " ".join(WORKER[1:]) in text
