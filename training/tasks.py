"""Celery tasks: each takes an id; the row says what there is to do."""

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from training import lifecycle


@shared_task
def train_run(run_id: int) -> None:
    """Carry out one queued run."""
    lifecycle.supervise(run_id)


@worker_ready.connect
def look_after_forgotten_runs(**_: object) -> None:
    """A worker that comes up looks for runs whose message or owner was lost, then and every few seconds."""
    lifecycle.stopping.clear()
    lifecycle.keep_sweeping()


@worker_shutting_down.connect
def give_runs_back(**_: object) -> None:
    """A worker that is told to end does not wait for its runs; they go back to the queue."""
    lifecycle.stopping.set()
