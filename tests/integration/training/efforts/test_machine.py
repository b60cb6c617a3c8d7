"""The speed of a machine is measured once, when someone is about to start a run."""

import subprocess
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from clfsite.core.jobs import queue
from tests.support.factories import DatasetFactory
from tests.support.portal import staff_client
from training.efforts import machine
from training.ml.search.families import AUTO, families_of
from training.models import MachineSpeed
from training.tasks import measure_machine

pytestmark = pytest.mark.django_db


def test_a_machine_is_measured_once_by_a_task_of_its_own() -> None:
    measure_machine(0)
    speed = machine.latest()
    assert speed is not None
    assert speed.cores == machine.cores_here()
    assert set(speed.factors) == set(families_of(AUTO))
    assert all(0.05 < factor < 100 for factor in speed.factors.values())
    assert not machine.measure()
    # a long time later, or with other cores, it is measured again
    MachineSpeed.objects.update(measured_at=timezone.now() - timedelta(days=60))
    assert machine.measure()
    assert MachineSpeed.objects.count() == 1


def test_the_form_of_a_run_asks_for_it_unless_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(queue, "wake", lambda task, job: asked.append((task, job)))
    DatasetFactory.create()
    client = staff_client("training.add_run")
    assert client.get(reverse("training:run-create")).status_code == 200
    assert asked == [(measure_machine.name, 0)]
    MachineSpeed.objects.create(host="here", cores=2, factors={}, measured_at=timezone.now())
    client.get(reverse("training:run-create"))
    assert len(asked) == 1


def test_a_failed_measurement_stores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise subprocess.TimeoutExpired("measure", 1)

    monkeypatch.setattr(subprocess, "run", fail)
    assert not machine.measure()
    assert machine.latest() is None
