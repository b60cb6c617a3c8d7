"""Celery tasks: each takes an id; the row says what there is to do."""

import subprocess
import sys

from celery import shared_task
from django.conf import settings

from training.models import Run


@shared_task
def train_run(run_id: int) -> None:
    """Train in a process of its own, so that joblib may use every core and a crash leaves the worker alive."""
    child = subprocess.run(  # noqa: S603
        [sys.executable, settings.BASE_DIR / "manage.py", "execute_run", str(run_id)], check=False
    )
    if child.returncode:
        run = Run.objects.get(pk=run_id)
        run.fail(f"the training process ended with exit status {child.returncode} (killed, or out of memory)")
