"""Celery tasks: each takes an id; the row says what there is to do."""

from celery import shared_task

from predictions.batches import service as batches
from predictions.monitoring import counts
from predictions.serving import idempotency
from predictions.models import Batch
from clfsite.core.jobs import worker as lifecycle
from clfsite.core.jobs import slots as places

lifecycle.every_hour(idempotency.forget_old)
lifecycle.every_hour(counts.fold)
lifecycle.look_after(Batch, batches.TASK)


@shared_task
def score_batch(batch_id: int) -> None:
    """Check one uploaded file, or score a checked one."""
    places.carry_out(Batch, batch_id, task=batches.TASK, work=_execute)


def _execute(batch_id: int) -> bool:
    return batches.execute_batch(Batch.objects.select_related("version__classifier").get(pk=batch_id))
