"""`manage.py doctor` names what is wrong and what to do, and its exit status tells errors from warnings."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from clfsite import env
from clfsite.core.jobs.models import Heartbeat
from clfsite.core.storage import database, space
from clfsite.operations import doctor, schema
from tests.support.factories import ApiKeyFactory

pytestmark = [pytest.mark.django_db, pytest.mark.dialect]


@pytest.fixture(autouse=True)
def _sound(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    settings.CELERY_BROKER_URL = "filesystem://localhost"
    settings.STATIC_ROOT = tmp_path
    (tmp_path / "staticfiles.json").write_text("{}")
    settings.STATE_DIR.mkdir(exist_ok=True)
    monkeypatch.setattr(env, "unknown", list)


def examine() -> dict[str, list[doctor.Finding]]:
    found: dict[str, list[doctor.Finding]] = {}
    for item in doctor.check_up():
        found.setdefault(item.part, []).append(item)
    return found


def test_a_sound_site_has_warnings_at_most() -> None:
    out = StringIO()
    call_command("doctor", json=True, stdout=out)
    answer = json.loads(out.getvalue())
    assert answer["is_sound"]
    parts = {item["part"] for item in answer["findings"]}
    assert parts >= {
        "settings",
        "database",
        "queue",
        "folders",
        "space",
        "schema",
        "clock",
        "workers",
        "model",
        "keys",
    }
    assert all(item["advice"] for item in answer["findings"] if item["state"] != "ok")
    out = StringIO()
    call_command("doctor", stdout=out)
    assert "no version is active" in out.getvalue()
    assert not Heartbeat.objects.filter(worker="doctor").exists()


def _down(*_: Any) -> Any:
    raise OperationalError("connection refused\nIs the server running?")


@pytest.mark.parametrize(
    ("part", "state", "text", "broken"),
    [
        ("settings", "warning", "CLFSITE_COLOUR", lambda patch, _: patch.setattr(env, "unknown", lambda: ["CLFSITE_COLOUR"])),
        ("settings", "error", "static files", lambda _, settings: setattr(settings, "STATIC_ROOT", "/nowhere")),
        ("settings", "warning", "HTTPS", lambda _, settings: setattr(settings, "ALLOWED_HOSTS", ["a.example.org"])),
        ("database", "error", "connection refused", lambda patch, _: patch.setattr(doctor, "_database", _down)),
        ("database", "error", "reading", lambda patch, _: patch.setattr(database, "read_only", lambda: "only allows reading")),
        ("queue", "error", "127.0.0.1:1 ", lambda _, settings: setattr(settings, "CELERY_BROKER_URL", "redis://:pw@127.0.0.1:1/0")),
        ("folders", "error", "cannot be written", lambda patch, _: patch.setattr(space, "unwritable_folder", lambda: "/data")),
        ("space", "error", "MB left", lambda patch, _: patch.setattr(space, "free_bytes", lambda: (1, 100))),
        ("space", "warning", "GB free", lambda patch, _: patch.setattr(space, "free_bytes", lambda: (2**30, 2**34))),
        ("schema", "error", "migrate", lambda patch, _: patch.setattr(schema, "older", lambda: "run manage.py migrate")),
        ("clock", "error", "7200", lambda patch, _: patch.setattr(doctor, "clock_ahead", lambda: 7_200.0)),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_advice(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    part: str,
    state: str,
    text: str,
    broken: Callable[..., None],
) -> None:
    broken(monkeypatch, settings)
    found = next(item for item in examine()[part] if item.state == state)
    assert text in found.found
    assert found.advice
    assert "pw" not in found.found
    if state == doctor.ERROR:
        with pytest.raises(CommandError, match="errors"):
            call_command("doctor", stdout=StringIO())


def test_rows_tell_of_clocks_and_keys() -> None:
    now = timezone.now()
    Heartbeat.objects.create(worker="far:1", at=now, clock_ahead=-3_600)
    ApiKeyFactory.create(name="shop", expires_at=now + timedelta(days=3))
    ApiKeyFactory.create(name="later", expires_at=now + timedelta(days=300))
    found = examine()
    assert [item.found for item in found["clock"]] == ["the clock of worker far:1 is -3600 s off"]
    assert [item.found.partition(" expires")[0] for item in found["keys"]] == ["the key of shop"]
    assert found["workers"][0].state == doctor.OK
