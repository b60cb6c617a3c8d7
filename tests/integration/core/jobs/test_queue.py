"""Waking a worker, and going on without one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clfsite.core.jobs.queue import wake
from tests.integration.conftest import Messages

ROOT = Path(__file__).resolve().parents[4]
WITHOUT_BROKER = """
import time
import django
django.setup()
from clfsite.core.jobs.queue import wake
began = time.monotonic()
thread = wake("training.tasks.train_run", 7)
print(time.monotonic() - began)
thread.join()
"""


def test_message_names_the_task_and_the_row(messages: Messages) -> None:
    wake("training.tasks.train_run", 7)
    assert messages() == [("training.tasks.train_run", [7])]


@pytest.mark.parametrize("broker", ["redis://127.0.0.1:1/0", "filesystem://"])
def test_broker_that_is_down_holds_nobody_up(broker: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    environment = {"CLFSITE_STATE_DIR": str(state), "CELERY_BROKER_URL": broker}
    lose = f"import shutil; shutil.rmtree({str(state / 'broker')!r}, ignore_errors=True)"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_BROKER.replace("began =", f"{lose}; began =", 1)],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "clfsite.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "train_run 7 is queued; the broker could not be notified" in done.stderr
    assert float(done.stdout) < 3
