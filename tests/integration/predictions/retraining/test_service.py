"""Judged predictions become the next version of the dataset, and may start a training whose version waits."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from clfsite.core.errors import InvalidInput
from predictions.alerts.service import Finding, sync
from predictions.models import Feedback, Prediction, first_id
from predictions.retraining import service
from predictions.retraining.models import Retraining
from predictions.retraining.service import dataset_from_log, retrain, retrain_all
from tests.integration.conftest import Post, problem_of
from tests.support.factories import PredictionFactory
from tests.support.portal import staff_client
from training.datasets.frames import load_table
from training.models import Dataset, Run, Version

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def judged(version: Version, count: int, *, days_ago: int = 1, **features: Any) -> list[Prediction]:
    """Logged predictions with true labels."""
    made = []
    for number in range(count):
        at = NOW - timedelta(days=days_ago, seconds=number)
        record = {**version.contract.example, "tenure": 1 + number % 70, **features}
        row = PredictionFactory.create(id=first_id(at), created_at=at, version=version, features=record)
        Feedback.objects.create(prediction=row, label="yes" if number % 3 else "no", source="api", actor="x")
        made.append(row)
    return made


def make(version: Version, *, with_table: bool, days: int = 30, **options: Any) -> Dataset:
    since = NOW - timedelta(days=days)
    until = timezone.now() + timedelta(minutes=1)
    return dataset_from_log(
        classifier=version.classifier, since=since, until=until, with_table=with_table, **options
    )


def test_judged_predictions_follow_the_rows_of_the_old_table(version: Version) -> None:
    old = version.run.dataset
    judged(version, 30)
    PredictionFactory.create(version=version)  # nobody said what was true
    dataset = make(version, with_table=True)
    assert (dataset.name, dataset.number, dataset.target) == (old.name, old.number + 1, old.target)
    assert dataset.rows == old.rows + 30
    before, after = load_table(old), load_table(dataset)
    assert after[: old.rows].equals(before[after.columns])
    log = dataset.origin["log"]
    assert (log["rows"], log["left_out"], log["table"]) == (30, 0, str(old))
    assert log["classifier"] == version.classifier.name
    kinds = {feature.name: feature.kind for feature in version.contract.features}
    assert {feature.name: feature.kind for feature in dataset.contract.features} == kinds


def test_alone_they_are_the_whole_table_in_the_order_of_time(version: Version) -> None:
    rows = judged(version, 30, spend=None)
    judged(version, 5, days_ago=40)
    dataset = make(version, with_table=False)
    assert dataset.rows == 30
    table = load_table(dataset)
    assert table["tenure"].tolist() == [row.features["tenure"] for row in reversed(rows)]
    assert table["left"].tolist() == [row.feedback.get().label for row in reversed(rows)]
    assert dataset.origin["log"]["table"] is None


def test_the_latest_true_label_counts_and_rows_that_do_not_fit_are_counted(version: Version) -> None:
    row, *_ = judged(version, 20)
    Feedback.objects.filter(prediction=row).update(superseded_at=NOW)
    Feedback.objects.create(prediction=row, label="yes", source="api", actor="x")
    odd = PredictionFactory.create(version=version, features={"other": 1})
    Feedback.objects.create(prediction=odd, label="yes", source="api", actor="x")
    dataset = make(version, with_table=False)
    assert dataset.origin["log"]["left_out"] == 1
    assert load_table(dataset)["left"].iloc[-1] == "yes"


def test_without_true_labels_there_is_no_dataset(version: Version) -> None:
    with pytest.raises(InvalidInput, match="0 predictions of churn with a true label"):
        make(version, with_table=True)
    assert Dataset.objects.count() == 1


def test_page_api_and_command_make_it(
    version: Version, post: Post, capsys: pytest.CaptureFixture[str]
) -> None:
    judged(version, 30)
    trainer = staff_client("training.add_dataset", "training.add_run")
    address = reverse("predictions:log-dataset", args=[version.classifier_id])
    refused = trainer.post(address, {"since": "2000-01-01", "until": "2000-01-02"})
    assert "with a true label are in this span" in refused.content.decode()
    made = trainer.post(address, {"since": "2000-01-01"}, follow=True)
    assert "From the predictions of churn" in made.content.decode()
    again = post("/api/classifiers/churn/log-dataset", {"since": "2000-01-01", "with_table": True})
    assert (again.status_code, again.json()["number"]) == (201, 3)
    problem_of(post("/api/classifiers/churn/log-dataset", {"since": "soon"}), 422)
    call_command("logdataset", "churn", since="2000-01-01", alone=True)
    assert "30 of them judged predictions" in capsys.readouterr().out


def test_nothing_starts_by_itself_unless_somebody_switches_it_on(version: Version) -> None:
    judged(version, 120)
    retrain_all()
    Retraining.objects.create(classifier=version.classifier)
    retrain_all()
    assert Run.objects.count() == 1


def test_a_schedule_starts_a_training_whose_version_waits(version: Version) -> None:
    judged(version, 120)
    setting = Retraining.objects.create(classifier=version.classifier, every_days=7)
    run = retrain(setting)
    assert run
    assert (run.state, run.activate_when_done, run.dataset.origin["log"]["rows"]) == ("queued", False, 120)
    setting.refresh_from_db()
    assert str(run) in setting.last_result
    assert retrain(setting) is None
    # the next time is a week later, and has nothing new
    Run.objects.filter(pk=run.pk).update(state="cancelled", finished_at=NOW)
    Retraining.objects.update(last_at=NOW - timedelta(days=8))
    setting.refresh_from_db()
    assert retrain(setting) is None
    setting.refresh_from_db()
    assert "nothing is new" in setting.last_result


def test_an_alert_that_opens_starts_one_training(version: Version) -> None:
    judged(version, 120)
    setting = Retraining.objects.create(classifier=version.classifier, on_alert=True)
    assert retrain(setting) is None
    sync(version, [Finding("drift", "moved", "tenure")], {"drift"})
    run = retrain(setting)
    assert run
    Run.objects.filter(pk=run.pk).update(state="cancelled", finished_at=NOW)
    Retraining.objects.update(last_at=NOW + timedelta(minutes=1) - service.PAUSE)
    setting.refresh_from_db()
    assert retrain(setting) is None


def test_too_few_judged_predictions_are_told(version: Version) -> None:
    judged(version, 5)
    Retraining.objects.create(classifier=version.classifier, every_days=7)
    retrain_all()
    assert "expected at least 100" in Retraining.objects.get().last_result


def test_the_settings_are_changed_on_the_page_and_in_the_api(
    version: Version, post: Post, client: Client
) -> None:
    trainer = staff_client("training.add_run")
    page = reverse("predictions:retraining", args=[version.classifier_id])
    trainer.post(page, {"every_days": "30", "on_alert": "on", "days": "60"})
    setting = Retraining.objects.get()
    assert (setting.every_days, setting.on_alert, setting.days, setting.with_table) == (30, True, 60, False)
    assert trainer.post(page, {"every_days": "0", "days": "60"}).status_code == 200
    headers = {"authorization": "Bearer clf_secret-of-the-fixture"}
    path = "/api/classifiers/churn/retraining"
    changed = client.patch(
        path, {"every_days": None, "days": 30}, content_type="application/json", headers=headers
    )
    assert (changed.json()["every_days"], changed.json()["days"], changed.json()["on_alert"]) == (
        None,
        30,
        True,
    )
    assert client.get(path, headers=headers).json() == changed.json()
