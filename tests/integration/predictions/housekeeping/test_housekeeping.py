"""`manage.py housekeeping` removes what is old, nothing that is needed, and continues after a kill."""

# mypy: allow-untyped-calls

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from axes.models import AccessAttempt
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from clfsite.celery import app
from clfsite.core.errors import Conflict, NotFound
from clfsite.core.jobs import chores
from clfsite.core.jobs.models import Chore
from clfsite.core.storage import files
from clfsite.operations.known_files import check_files
from predictions.batches import downloads
from predictions.batches import service as batches
from predictions.batches.models import Batch, BatchPart
from predictions.feedback.service import give_feedback
from predictions.housekeeping import log, service, space
from predictions.log import search
from predictions.models import Feedback, FeedbackCount, HourlyCount, Prediction, first_id
from predictions.monitoring import gauges
from tests.support.factories import (
    ApiKeyFactory,
    BatchFactory,
    PredictionFactory,
    UserFactory,
    trained_version,
)
from tests.support.portal import staff_client
from training.datasets.uploads import store_upload
from training.models import Upload, Version
from training.versions.service import activate_version

pytestmark = [pytest.mark.django_db, pytest.mark.dialect]

NOW = timezone.now()
LONG_AGO = NOW - timedelta(days=400)


@pytest.fixture(autouse=True)
def _does_not_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PAUSES", 0)


@pytest.fixture
def version() -> Version:
    return trained_version(classifier="churn", activate=True)


def predicted(version: Version, at: datetime, number: int = 1, **values: Any) -> list[Prediction]:
    """Predictions as they were logged at a moment."""
    start = first_id(at).int
    return [
        PredictionFactory.create(version=version, pk=UUID(int=start + place), created_at=at, **values)
        for place in range(number)
    ]


def clean() -> dict[str, tuple[int, int]]:
    return {kind: (value.items, value.size_bytes) for kind, value in service.clean().items()}


def test_old_predictions_go_and_new_ones_stay_with_all_counts(version: Version) -> None:
    old, new = predicted(version, LONG_AGO, 3), predicted(version, NOW, 2)
    counted = list(HourlyCount.objects.order_by("pk").values())
    trial = service.clean(is_trial=True)["predictions"]
    assert (trial.items, Prediction.objects.count()) == (3, 5)
    assert clean()["predictions"] == (3, 3 * log.ROW_BYTES)
    assert set(Prediction.objects.all()) == set(new)
    assert list(HourlyCount.objects.order_by("pk").values()) == counted
    page = search.find(search.Wanted(feedback="without"), size=10, oldest_first=True)
    assert [row.pk for row in page.rows] == [row.pk for row in new]
    assert old[0].pk not in {row.pk for row in page.rows}


def test_a_prediction_of_the_hour_at_the_limit_stays(version: Version, settings: Settings) -> None:
    settings.CLFSITE_KEEP_PREDICTIONS_DAYS = 1
    hour = (timezone.now() - timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    predicted(version, hour)
    predicted(version, hour - timedelta(seconds=1))
    assert clean()["predictions"][0] == 1
    assert Prediction.objects.get().created_at == hour


def test_predictions_with_feedback_stay_until_feedback_may_go(version: Version, settings: Settings) -> None:
    judged, _ = predicted(version, LONG_AGO, 2)
    give_feedback(prediction_id=judged.pk, label=judged.label, actor="demo", source=Feedback.Source.API)
    counted = list(FeedbackCount.objects.values())
    assert clean()["predictions"][0] == 1
    assert Prediction.objects.get().pk == judged.pk
    settings.CLFSITE_KEEP_FEEDBACK_DAYS = 399
    assert clean()["predictions"][0] == 1
    assert not Feedback.objects.exists()
    assert list(FeedbackCount.objects.values()) == counted
    with pytest.raises(NotFound):
        give_feedback(prediction_id=judged.pk, label=judged.label, actor="demo", source=Feedback.Source.API)


def test_predictions_of_a_batch_that_may_continue_stay(version: Version) -> None:
    batch = BatchFactory(version=version, state=Batch.State.QUEUED, created_at=LONG_AGO)
    predicted(version, LONG_AGO, batch=batch, row=0, source=Prediction.Source.CSV)
    assert clean()["predictions"][0] == 0


def test_zero_keeps_everything(version: Version, settings: Settings) -> None:
    settings.CLFSITE_KEEP_PREDICTIONS_DAYS = settings.CLFSITE_KEEP_BATCH_FILES_DAYS = 0
    settings.CLFSITE_KEEP_ARTIFACTS_DAYS = settings.CLFSITE_KEEP_WANDB_DAYS = (
        settings.CLFSITE_KEEP_LOGINS_DAYS
    ) = 0
    predicted(version, LONG_AGO)
    AccessAttempt.objects.create(ip_address="203.0.113.7", failures_since_start=1)
    AccessAttempt.objects.update(attempt_time=LONG_AGO)
    assert set(clean().values()) == {(0, 0)}


def test_a_clean_up_killed_between_any_two_steps_loses_nothing_and_ends_the_next_time(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "ROWS", 2)
    predicted(version, LONG_AGO, 7)
    kept = predicted(version, NOW, 2)
    for left in (7, 5, 3, 1):
        assert Prediction.objects.filter(created_at=LONG_AGO).count() == left
        service.clean(is_stopping=lambda: True)
    assert set(Prediction.objects.all()) == set(kept)


def scored(version: Version, finished_at: datetime) -> Batch:
    """A batch with files that ended at a moment."""
    batch: Batch = BatchFactory.create(
        version=version,
        state=Batch.State.SUCCEEDED,
        finished_at=finished_at,
        checked_at=LONG_AGO,
        rows_total=3,
    )
    BatchPart.objects.create(batch=batch, number=0, rows=1, size_bytes=4, summary={})
    for name in (batch.source_name, batch.part_name(0)):
        batches.files().save(name, ContentFile(b"a\n1\n"))
    return batch


def test_steps_take_a_sixth_of_the_time_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pauses = [100.0], list[float]()

    def steps(is_trial: bool) -> Iterator[tuple[int, int]]:
        for seconds in (0.01, 0.1, 60.0):
            clock[0] += seconds
            yield 1, 1

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        pauses.append(seconds)

    monkeypatch.setattr(service, "KINDS", {"rows": steps})
    monkeypatch.setattr(service, "PAUSES", 5)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", sleep)
    service.clean()
    # a step that waited long for others delays the end no further
    assert pauses == pytest.approx([0.05, 0.5, service.LONGEST_PAUSE])
    pauses.clear()
    service.clean(is_trial=True)
    assert pauses == []


def test_files_of_old_batches_go_and_say_so(version: Version) -> None:
    old, new = scored(version, LONG_AGO), scored(version, NOW)
    assert service.clean(is_trial=True)["batch_files"].size_bytes == 8
    assert downloads.answers(old).status_code == 200
    assert clean()["batch_files"] == (1, 8)
    old.refresh_from_db()
    with pytest.raises(NotFound, match=r"were removed on .* to free space; the predictions stay"):
        downloads.answers(old)
    assert downloads.answers(new).status_code == 200
    assert check_files().missing == check_files().orphans == []
    assert clean()["batch_files"] == (0, 0)


def test_files_that_a_kill_left_are_removed_by_the_next_run(version: Version) -> None:
    batch = scored(version, LONG_AGO)
    # killed after the mark
    Batch.objects.filter(pk=batch.pk).update(files_removed_at=NOW)
    assert clean()["batch_files"] == (1, 8)
    assert not batches.files().exists(batch.source_name)
    assert not batch.parts.exists()


def test_a_failed_batch_without_its_files_cannot_be_resumed(version: Version) -> None:
    batch = scored(version, LONG_AGO)
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.FAILED, error="lost")
    clean()
    batch.refresh_from_db()
    assert not batch.is_resumable
    with pytest.raises(Conflict, match="were removed to free space; upload the file again"):
        batches.resume_batch(batch=batch)


@pytest.fixture
def old_versions() -> list[Version]:
    """Four versions from long ago: never active, active before, active, and the newest."""
    versions = [trained_version(classifier="churn", activate=place in {1, 2}) for place in range(4)]
    Version.objects.update(created_at=LONG_AGO)
    return versions


def has_files(version: Version) -> bool:
    return all(files.artifacts().exists(entry["name"]) for entry in version.artifacts.values())


def test_only_artifacts_go_that_were_never_active_and_are_not_the_newest(old_versions: list[Version]) -> None:
    size = sum(entry["size_bytes"] for entry in old_versions[0].artifacts.values())
    assert clean()["artifacts"] == (1, size)
    assert [has_files(version) for version in old_versions] == [False, True, True, True]
    assert check_files().is_sound
    removed = Version.objects.get(pk=old_versions[0].pk)
    with pytest.raises(Conflict, match=r"were removed on .*, as it was never active; train it again"):
        activate_version(version=removed, actor="demo", reason="try")
    assert removed.metrics


@pytest.mark.parametrize("use", ["pinned", "batch"])
def test_artifacts_of_a_version_in_use_stay(old_versions: list[Version], use: str) -> None:
    if use == "pinned":
        predicted(old_versions[0], NOW)
    else:
        BatchFactory(version=old_versions[0], state=Batch.State.QUEUED)
    assert clean()["artifacts"] == (0, 0)
    assert has_files(old_versions[0])


def test_artifacts_that_a_kill_left_are_removed_by_the_next_run(old_versions: list[Version]) -> None:
    Version.objects.filter(pk=old_versions[0].pk).update(artifacts_removed_at=NOW)
    assert clean()["artifacts"][0] == 1
    assert not has_files(old_versions[0])


def test_uploads_sessions_logins_and_local_folders_go_when_they_are_old(
    settings: Settings, tmp_path: Path, version: Version
) -> None:
    settings.STATE_DIR = tmp_path
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "uploads"
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()
    for folder in ("wandb/offline-run-1", "wandb/run-2", "wandb/data", "uploads/tmp1"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").write_bytes(b"1234")
        for path in (tmp_path / folder / "file", tmp_path / folder):
            os.utime(path, (time.time() - 40 * 86_400,) * 2)
    (tmp_path / "wandb" / "run-2" / "file").touch()
    store_upload(ContentFile(b"a,b\n1,2\n3,4\n", name="table.csv"), UserFactory.create())
    Upload.objects.update(created_at=LONG_AGO)
    for key, days in (("old", -1), ("new", 1)):
        Session.objects.create(session_key=key, session_data="", expire_date=NOW + timedelta(days=days))
    for address in ("203.0.113.7", "203.0.113.8"):
        AccessAttempt.objects.create(ip_address=address, failures_since_start=1)
    AccessAttempt.objects.filter(ip_address="203.0.113.7").update(attempt_time=LONG_AGO)
    result = clean()
    assert [result[kind][0] for kind in ("wandb", "uploads", "sessions", "failed_logins")] == [1, 2, 1, 1]
    assert sorted(path.name for path in (tmp_path / "wandb").iterdir()) == ["data", "run-2"]
    assert list((tmp_path / "uploads").iterdir()) == []
    assert not Upload.objects.exists()
    assert Session.objects.get().session_key == "new"
    assert AccessAttempt.objects.get().ip_address == "203.0.113.8"


def test_the_command_tells_what_it_would_do_and_does_it(
    version: Version, capsys: pytest.CaptureFixture[str]
) -> None:
    predicted(version, LONG_AGO, 2)
    call_command("housekeeping", dry_run=True)
    assert "predictions: 2 would be removed, 1.6\xa0KB" in capsys.readouterr().out
    assert not Chore.objects.exists()
    call_command("housekeeping", json=True)
    result = json.loads(capsys.readouterr().out)
    assert result["removed"]["predictions"] == {"items": 2, "size_bytes": 1_640}
    assert result["bytes"]["artifacts"] > 0
    assert Prediction.objects.count() == 0


def test_the_page_shows_space_and_an_estimate(version: Version, client: Client) -> None:
    client = staff_client()
    assert "Not measured yet" in client.get(reverse("predictions:storage")).content.decode()
    call_command("housekeeping", verbosity=0)
    text = client.get(reverse("predictions:storage")).content.decode()
    assert "Artifacts of versions" in text
    assert "Nothing was old enough to remove." in text
    assert "unknown" in text


def test_each_kind_of_rows_has_a_size(version: Version) -> None:
    predicted(version, NOW, 50)
    sizes = space.measure()
    assert sizes["predictions"] > 50 * 100
    assert min(sizes[kind] for kind in ("counts", "training", "database")) > 0


def measured(**days: int) -> list[dict[str, Any]]:
    return [
        {"at": (NOW - timedelta(days=int(day[1:]))).isoformat(), "bytes": {"predictions": size}}
        for day, size in days.items()
    ]


@pytest.mark.parametrize(
    ("history", "later"),
    [
        (measured(d0=100), None),
        (measured(d10=100, d0=200), 500),
        # what is older than a month does not count
        (measured(d50=0, d20=100, d0=200), 350),
        (measured(d10=500, d0=200), 0),
    ],
)
def test_the_estimate_continues_the_growth_of_the_last_month(
    history: list[dict[str, Any]], later: int | None
) -> None:
    (kind,) = [kind for kind in space.kinds(history) if kind.name == "predictions"]
    assert kind.later == later


def test_a_day_is_measured_once_and_two_months_are_kept() -> None:
    history: list[dict[str, Any]] = []
    for day in range(70):
        for hour in (1, 2):
            moment = NOW.replace(hour=hour) + timedelta(days=day)
            history = space.history_with(history, {"predictions": day}, moment)
    assert len(history) == space.DAYS
    assert history[-1]["bytes"] == {"predictions": 69}


def done_by(
    calls: list[str], name: str, result: dict[str, Any] | None
) -> Callable[[chores.Stop], dict[str, Any] | None]:
    def work(_: chores.Stop) -> dict[str, Any] | None:
        calls.append(name)
        return result

    return work


def test_a_chore_is_done_by_one_worker_when_it_is_due_and_again_if_that_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(
        chores,
        "_chores",
        {
            "daily": (timedelta(days=1), done_by(calls, "daily", {"found": 1})),
            "lost": (timedelta(days=1), done_by(calls, "lost", None)),
        },
    )
    for _ in range(2):
        chores.do_due(lambda: False)
    assert calls == ["daily", "lost"]
    assert Chore.objects.get(name="daily").result == {"found": 1}
    # seven hours later the lost one is begun again, and a day later the other one
    Chore.objects.filter(name="lost").update(begun_at=timezone.now() - timedelta(hours=7))
    chores.do_due(lambda: False)
    Chore.objects.filter(name="daily").update(begun_at=timezone.now() - timedelta(days=1, minutes=1))
    chores.do_due(lambda: False)
    assert calls == ["daily", "lost", "lost", "daily"]


def test_the_workers_have_the_chores_of_the_site() -> None:
    app.loader.import_default_modules()
    assert {"housekeeping", "verify"} <= set(chores._chores)


def test_the_check_of_the_files_is_told_to_the_metrics(version: Version) -> None:
    files.artifacts().delete(version.artifacts["model"]["name"])
    with pytest.raises(CommandError):
        call_command("verify")
    assert Chore.objects.get(name="verify").result["missing"] == 1
    gauges.forget()
    text = gauges.exposition().decode()
    assert "clfsite_damaged_files 1.0" in text
    assert "clfsite_files_verified_timestamp_seconds" in text


def test_a_classifier_may_keep_its_predictions_shorter_or_longer_than_the_site(version: Version) -> None:
    others = {name: trained_version(classifier=name, activate=True) for name in ("short", "always")}
    for place, owner in enumerate((version, *others.values())):
        predicted(owner, NOW - timedelta(days=30, seconds=place))
        predicted(owner, LONG_AGO - timedelta(seconds=place))
    counted = HourlyCount.objects.count()
    approver = staff_client("training.change_classifier")
    for name, days in (("short", "10"), ("always", "0")):
        page = reverse("predictions:classifier-detail", args=[others[name].classifier_id])
        approver.post(page, {"owner": "", "tags": "", "notes": "", "keep_days": days})
        assert f'value="{days}"' in approver.get(page).content.decode()
    clean()
    left = {
        owner.classifier.name: Prediction.objects.filter(version=owner).count()
        for owner in (version, *others.values())
    }
    assert left == {"churn": 1, "short": 0, "always": 2}
    assert HourlyCount.objects.count() == counted


def test_the_api_changes_how_long_predictions_of_a_classifier_stay(version: Version, client: Client) -> None:
    ApiKeyFactory.create(secret="clf_ops", scopes=("read", "activate"))
    headers = {"authorization": "Bearer clf_ops"}
    path = "/api/classifiers/churn/retention"
    assert client.get(path, headers=headers).json() == {"days": None, "site_days": 365}
    for days in (90, 0, None):
        changed = client.patch(path, {"days": days}, content_type="application/json", headers=headers)
        assert changed.json()["days"] == days
    assert (
        client.patch(path, {"days": -1}, content_type="application/json", headers=headers).status_code == 422
    )
