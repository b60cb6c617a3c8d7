"""Celery tasks. A task only has the id of a job; the job's row has the rest."""

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from clfsite.core.jobs import worker
from training.efforts import machine
from training.models import Run
from training.runs.supervisor import supervise

TASK = "training.tasks.train_run"

worker.look_after(Run, TASK)


@shared_task
def train_run(run_id: int) -> None:
    """Execute one queued run."""
    worker.carry_out(Run, run_id, supervise)


@shared_task
def measure_machine(_: int) -> None:
    """Measure the speed of this machine, unless that was done lately."""
    machine.measure()


@worker_ready.connect
def look_after_forgotten_jobs(**_: object) -> None:
    """Look for jobs whose message or owner was lost, when a worker starts and every few seconds from then on."""
    worker.stopping.clear()
    worker.keep_sweeping()


@worker_shutting_down.connect
def give_jobs_back(**_: object) -> None:
    """Return the jobs of a worker to the queue when it stops, instead of waiting for their end."""
    worker.stopping.set()
