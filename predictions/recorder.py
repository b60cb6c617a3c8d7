"""Writing the log: what is acknowledged is committed."""

from collections.abc import Sequence

from django.db import transaction

from predictions.models import Prediction

ROWS_PER_INSERT = 500


def record(predictions: Sequence[Prediction]) -> None:
    """Commit the rows, all or none; returning means they survive a crash.

    Raises:
        OperationalError: the database cannot take them, and none was stored.
    """
    with transaction.atomic():
        Prediction.objects.bulk_create(predictions, batch_size=ROWS_PER_INSERT)
