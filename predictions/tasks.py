"""Celery tasks: each takes an id; the row says what there is to do."""

from datetime import timedelta

from celery import shared_task
from celery.signals import worker_ready

from clfsite.core.jobs import chores, worker
from clfsite.core.web import sent_forms
from predictions.alerts import courier, outbox, rules
from predictions.batches import service as batches
from predictions.batches.models import Batch
from predictions.housekeeping import service
from predictions.monitoring import bins, counts
from predictions.monitoring.inspection import service as inspection
from predictions.retraining import service as retraining
from predictions.serving import idempotency

worker.every_hour(idempotency.forget_old)
worker.every_hour(sent_forms.forget_old)
worker.every_hour(counts.collect)
worker.every_hour(counts.fold)
worker.every_hour(bins.merge_all)
worker.every_hour_apart(rules.evaluate_all)
worker.every_hour(outbox.forget_old)
chores.every(service.NAME, timedelta(days=1), service.execute)
chores.every(inspection.NAME, inspection.EVERY, inspection.inspect_all)
worker.every_hour_apart(retraining.retrain_all)
worker.look_after(Batch, batches.TASK)


@shared_task
def score_batch(batch_id: int) -> None:
    """Check one uploaded file, or score a checked one."""
    worker.carry_out(Batch, batch_id, _execute)


@shared_task
def help_with_batch(batch_id: int) -> None:
    """Score parts of a file beside the worker that executes its batch."""
    worker.assist(Batch, batch_id, _help)


def _execute(batch_id: int) -> bool:
    return batches.execute_batch(Batch.objects.select_related("version__classifier").get(pk=batch_id))


def _help(batch_id: int) -> None:
    batches.help_with_batch(Batch.objects.select_related("version__classifier").get(pk=batch_id))


@worker_ready.connect
def send_messages(**_: object) -> None:
    """Send waiting messages to receivers while the worker lives."""
    courier.start()
