"""Celery tasks: each takes an id; the row says what there is to do."""

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from clfsite.core.jobs import worker
from training.models import Run
from training.runs.supervisor import supervise

TASK = "training.tasks.train_run"

worker.look_after(Run, TASK)


@shared_task
def train_run(run_id: int) -> None:
    """Carry out one queued run."""
    worker.carry_out(Run, run_id, supervise)


@worker_ready.connect
def look_after_forgotten_jobs(**_: object) -> None:
    """A worker that comes up looks for jobs whose message or owner was lost, then and every few seconds."""
    worker.stopping.clear()
    worker.keep_sweeping()


@worker_shutting_down.connect
def give_jobs_back(**_: object) -> None:
    """A worker that is told to end does not wait for its jobs; they go back to the queue."""
    worker.stopping.set()
