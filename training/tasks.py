"""Celery tasks: each takes an id; the row says what there is to do."""

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from clfsite.core.jobs import worker as lifecycle
from clfsite.core.jobs import slots as places
from training.models import Run

TASK = "training.tasks.train_run"

lifecycle.look_after(Run, TASK)


@shared_task
def train_run(run_id: int) -> None:
    """Carry out one queued run."""
    places.carry_out(Run, run_id, task=TASK, work=lifecycle.supervise)


@worker_ready.connect
def look_after_forgotten_jobs(**_: object) -> None:
    """A worker that comes up looks for jobs whose message or owner was lost, then and every few seconds."""
    lifecycle.stopping.clear()
    lifecycle.keep_sweeping()


@worker_shutting_down.connect
def give_jobs_back(**_: object) -> None:
    """A worker that is told to end does not wait for its jobs; they go back to the queue."""
    lifecycle.stopping.set()
