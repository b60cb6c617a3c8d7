"""The portal's first page."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from clfsite.core.errors import Unavailable
from clfsite.core.jobs.models import Heartbeat
from predictions.feedback.service import give_feedback
from predictions.home import overview
from predictions.home.overview import Glance
from predictions.models import Feedback, first_id, new_id
from predictions.serving import live_models
from tests.support.factories import (
    ActivationFactory,
    BatchFactory,
    ClassifierFactory,
    DatasetFactory,
    PredictionFactory,
    RunFactory,
    UserFactory,
    VersionFactory,
    tiny,
)
from tests.support.portal import staff_client
from training.models import Run, Version

HOME = reverse("predictions:home")


def page(*permissions: str) -> str:
    response = staff_client(*permissions).get(HOME)
    assert response.status_code == 200
    return response.content.decode()


def glance_of(version: Version) -> Glance:
    """What the page tells of a version's classifier."""
    result = overview.glances(timezone.now())
    return next(item for item in result if item.classifier == version.classifier)


def titles(version: Version, *permissions: str) -> list[str]:
    """What the page advises on a version's classifier, by default to someone who may do everything."""
    person = UserFactory.create(is_superuser=not permissions, password=None)
    for name in permissions:
        person.user_permissions.add(Permission.objects.get(codename=name))
    return [item.title for item in overview.advice([glance_of(version)], person)]


def judge(version: Version, *, right: int, wrong: int) -> None:
    """Log predictions with their truth."""
    for label, count in (("yes", right), ("no", wrong)):
        for prediction in PredictionFactory.create_batch(count, version=version):
            give_feedback(prediction_id=prediction.pk, label=label, actor="tests", source=Feedback.Source.API)


def test_a_long_reason_is_told_up_to_the_end_of_a_word(db: None) -> None:
    RunFactory.create(failed=True, error="the memory ran out " * 20)
    answer = next(event.text for event in overview.events(timezone.now()))
    assert len(answer) <= overview.LONGEST_REASON
    assert answer.endswith("the memory ran out the …")


def test_a_new_site_leads_a_trainer_to_the_first_table(db: None) -> None:
    shown = page("training.add_run", "training.add_dataset")
    assert "No classifier yet" in shown
    assert f'href="{reverse("training:dataset-list")}">Train on your own table' in shown


def test_a_site_with_a_table_leads_a_trainer_to_the_first_run(db: None) -> None:
    DatasetFactory.create()
    assert f'href="{reverse("training:run-create")}">Start a run' in page("training.add_run")


def test_someone_who_may_not_train_is_told_who_has_to(db: None) -> None:
    shown = page()
    assert "A person with the trainer role can start the first run" in shown
    assert "Train on your own table" not in shown


def test_the_active_version_stands_with_its_last_run_and_held_out_accuracy(version: Version) -> None:
    shown = page()
    assert reverse("training:version-detail", args=[version.pk]) in shown
    assert reverse("training:run-detail", args=[version.run_id]) in shown
    assert f"{100 * tiny().trained.held_out.metrics['accuracy']:.1f}" in shown


def test_traffic_of_the_last_day_is_read_from_counts_and_never_from_the_log(version: Version) -> None:
    PredictionFactory.create_batch(3, version=version, latency_ms=1.5)
    PredictionFactory.create(version=version, label="no", latency_ms=150)
    old = timezone.now() - timedelta(hours=25)
    PredictionFactory.create(version=version, id=first_id(old), created_at=old)
    with CaptureQueriesContext(connection) as queries:
        glance = glance_of(version)
    assert (glance.predictions, glance.hourly[-1]) == (4, 4)
    assert [(part["label"], part["share"]) for part in glance.mix] == [("yes", 0.75), ("no", 0.25)]
    assert glance.median is not None
    assert glance.p99 is not None
    assert 1 < glance.median <= 2
    assert 100 < glance.p99 <= 200
    assert not [query for query in queries if '"predictions_prediction"' in query["sql"]]


def test_many_labels_are_told_as_the_most_frequent_and_the_rest(version: Version) -> None:
    for number in range(8):
        PredictionFactory.create_batch(8 - number, version=version, label=f"c{number}")
    mix = glance_of(version).mix
    assert [part["label"] for part in mix] == ["c0", "c1", "c2", "c3", "others"]
    assert sum(part["count"] for part in mix) == 36
    assert mix[-1]["x"] + mix[-1]["width"] == pytest.approx(100)


def test_a_classifier_without_active_version_is_told_apart_by_what_it_lacks(version: Version) -> None:
    waiting = VersionFactory.create(classifier__name="waiting")
    ClassifierFactory.create(name="unborn")
    assert titles(waiting) == ["waiting has no active version"]
    shown = page("training.activate_version", "training.add_run")
    assert "No active version." in shown
    assert f'href="{reverse("training:version-detail", args=[waiting.pk])}">Review and activate' in shown
    assert "unborn has no version yet" in shown


def test_a_person_is_only_told_to_do_what_the_role_may(version: Version) -> None:
    waiting = VersionFactory.create(classifier__name="waiting")
    assert titles(waiting, "add_run") == []
    assert titles(waiting, "activate_version") == ["waiting has no active version"]
    assert "Train on your own table" not in page()


@pytest.mark.parametrize("state", [Run.State.CANCELLED, Run.State.QUEUED])
def test_a_first_run_that_was_cancelled_or_waits_asks_for_nothing(state: str, version: Version) -> None:
    run = RunFactory.create(classifier__name="given-up")
    if state == Run.State.CANCELLED:
        assert run.request_cancel()
    shown = page("training.add_run", "training.activate_version")
    assert "given-up has no version yet" not in shown
    assert "Needs attention" not in shown


def test_live_accuracy_below_training_is_said_once_it_is_no_chance(version: Version) -> None:
    version.held_out["metrics"]["accuracy"] = 0.9
    version.held_out["rows"] = 400
    version.save()
    judge(version, right=20, wrong=20)
    assert not glance_of(version).has_dropped
    judge(version, right=10, wrong=20)
    glance = glance_of(version)
    assert (glance.score.judged, glance.score.correct) == (70, 30)
    assert glance.score.held_out == 0.9
    assert titles(version) == ["churn is less accurate than at training"]


def test_answers_that_nobody_judges_ask_for_feedback(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "ENOUGH_UNJUDGED", 5)
    PredictionFactory.create_batch(5, version=version)
    assert titles(version) == ["No feedback for churn"]
    judge(version, right=1, wrong=0)
    assert titles(version) == []


def test_a_failed_run_comes_before_a_version_that_waits(version: Version) -> None:
    VersionFactory.create(classifier=version.classifier, number=9)
    RunFactory.create(classifier=version.classifier, failed=True)
    assert titles(version) == ["The last run of churn failed", "Version 9 of churn has never been active"]
    assert "it was made to fail" in page()


def test_what_changed_stands_newest_first_and_not_for_ever(version: Version) -> None:
    old = timezone.now() - timedelta(days=20)
    BatchFactory.create(version=version, succeeded=True, finished_at=old, file_name="old.csv")
    BatchFactory.create(version=version, succeeded=True, file_name="new.csv", rows_done=7)
    RunFactory.create(classifier=version.classifier, failed=True)
    shown = [event.title for event in overview.events(timezone.now())]
    assert shown[1] == "new.csv: 7 rows scored"
    assert shown[0].endswith("failed")
    assert "churn v1 became active" in shown
    assert not [title for title in shown if title.startswith("old.csv")]


def test_the_smallest_id_of_a_moment_comes_before_every_id_made_since() -> None:
    before = first_id(timezone.now() - timedelta(milliseconds=1))
    assert before < new_id() < first_id(timezone.now() + timedelta(milliseconds=1))


def test_what_is_wrong_is_said(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise Unavailable("the artifact's SHA-256 is another")

    monkeypatch.setattr(live_models.live_models, "get", broken)
    shown = page()
    assert "Not ready to serve" in shown
    assert "The artifact&#x27;s SHA-256 is another" in shown


def test_a_missing_worker_is_said_and_one_that_beats_is_not(version: Version) -> None:
    assert "runs and batches wait until one is started" in page()
    Heartbeat.objects.beat()
    shown = staff_client(username="grace").get(HOME).content.decode()
    assert "Worker OK" in shown
    assert "runs and batches wait" not in shown


def test_actions_are_shown_to_those_who_may_take_them(version: Version) -> None:
    predict = f'href="{reverse("predictions:predict")}?model=churn"'
    assert predict not in page()
    client = staff_client("predictions.add_prediction", username="grace")
    assert predict in client.get(HOME).content.decode()


def test_more_of_everything_takes_no_more_queries(
    version: Version, django_assert_max_num_queries: Any
) -> None:
    ActivationFactory.create_batch(5)
    RunFactory.create_batch(3)
    PredictionFactory.create_batch(15, version=version)
    BatchFactory.create_batch(3, version=version, succeeded=True)
    live_models.live_models.get()
    client = staff_client()
    with django_assert_max_num_queries(22):
        assert len(client.get(HOME).context["glances"]) == 9
