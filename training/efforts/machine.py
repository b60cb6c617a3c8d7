"""The speed of the machine that executes runs, measured once and kept in the database."""

import logging
import socket
import subprocess
from datetime import timedelta

from django.utils import timezone

from clfsite.core.jobs import queue
from training.ml.search import cost
from training.models import MachineSpeed

logger = logging.getLogger(__name__)

TASK = "training.tasks.measure_machine"
MEASURED_FOR = timedelta(days=30)


def latest() -> MachineSpeed | None:
    """The machine that was measured last; None before the first."""
    return MachineSpeed.objects.order_by("-measured_at").first()


def cores_here() -> int:
    """The cores that runs on this machine can use."""
    from joblib import cpu_count  # knows the limits of containers; loads NumPy, which few processes need

    return int(cpu_count())


def ensure_measured() -> None:
    """Ask a worker to measure its machine, if no machine was measured."""
    if not MachineSpeed.objects.exists():
        queue.wake(TASK, 0)


def measure() -> bool:
    """Measure this machine and store its speed; False if that was done in the last MEASURED_FOR, or failed."""
    host, cores = socket.gethostname()[:255], cores_here()
    since = timezone.now() - MEASURED_FOR
    if MachineSpeed.objects.filter(host=host, cores=cores, measured_at__gte=since).exists():
        return False
    # in a process of its own, because workers do without scikit-learn
    try:
        factors = cost.measure_apart()
    except (subprocess.SubprocessError, OSError) as error:
        logger.warning("the speed of this machine could not be measured: %s", error)
        return False
    values = {"cores": cores, "factors": factors, "measured_at": timezone.now()}
    MachineSpeed.objects.update_or_create(host=host, defaults=values)
    return True
