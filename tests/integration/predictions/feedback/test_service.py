"""The truth about one prediction: stored once, corrected on request, counted as it comes."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from clfsite.core.errors import Conflict, InvalidInput, NotFound
from predictions.feedback import service as feedback
from predictions.feedback.service import Change, give_feedback
from predictions.models import Feedback, FeedbackCount, Prediction
from tests.integration.conftest import problem_of
from tests.support.factories import ApiKeyFactory, PredictionFactory, UserFactory, VersionFactory
from tests.support.portal import staff_client
from tests.support.threads import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.dialect]

KEY = "clf_secret-of-a-judge"


@pytest.fixture
def judge(client: Client) -> Callable[..., Any]:
    """Post the truth about a prediction with a key that may."""
    ApiKeyFactory.create(name="billing", secret=KEY, scopes=("feedback",))

    def call(prediction: Any, body: Any, **more: Any) -> Any:
        headers = {"authorization": f"Bearer {KEY}", **more.pop("headers", {})}
        more = {"content_type": "application/json", **more}
        return client.post(f"/api/predictions/{prediction}/feedback", body, headers=headers, **more)

    return call


def counted() -> dict[tuple[datetime, int, int], int]:
    """The cells of the counts that are not 0, as (hour, predicted, truth)."""
    cells = FeedbackCount.objects.exclude(predictions=0)
    return {(cell.hour, cell.predicted, cell.truth): cell.predictions for cell in cells}


def test_the_truth_joins_its_prediction(judge: Callable[..., Any]) -> None:
    prediction = PredictionFactory.create(label="yes")
    response = judge(prediction.pk, {"label": "no"})
    assert response.status_code == 201
    body = response.json()
    assert body.pop("created_at")
    assert body == {
        "prediction_id": str(prediction.pk),
        "reference": None,
        "label": "no",
        "predicted": "yes",
        "source": "api",
        "actor": "key billing",
        "change": "created",
    }
    assert prediction.feedback.get().label == "no"


@pytest.mark.case("U34")
def test_the_same_truth_twice_is_stored_once(judge: Callable[..., Any]) -> None:
    prediction = PredictionFactory.create()
    judge(prediction.pk, {"label": "no"})
    again = judge(prediction.pk, {"label": "no"})
    assert (again.status_code, again.json()["change"]) == (200, "unchanged")
    assert Feedback.objects.count() == 1
    assert list(counted().values()) == [1]


@pytest.mark.case("U34")
def test_another_truth_is_refused_unless_it_is_to_replace_the_first(judge: Callable[..., Any]) -> None:
    prediction = PredictionFactory.create()
    judge(prediction.pk, {"label": "no"})
    body = problem_of(judge(prediction.pk, {"label": "yes"}), 409)
    assert '"no" is already the true label' in body["detail"]
    assert body["errors"] == [{"field": "label", "code": "other_label", "message": body["detail"]}]
    corrected = judge(prediction.pk, {"label": "yes", "replace": True})
    assert (corrected.status_code, corrected.json()["change"]) == (201, "corrected")
    answer = Feedback.objects.order_by("pk").values_list("label", "superseded_at")
    assert [(label, superseded is None) for label, superseded in answer] == [("no", False), ("yes", True)]


@pytest.mark.case("U35")
def test_a_label_that_is_no_class_is_refused_and_the_classes_are_named(judge: Callable[..., Any]) -> None:
    for label in ("maybe", "", "Yes", "a\0b"):
        body = problem_of(judge(PredictionFactory.create().pk, {"label": label}), 422)
        assert body["errors"][0]["code"] == "unknown_label"
        assert 'expected "no", "yes"' in body["detail"]
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    "key", ["01900000-0000-7000-8000-000000000000", "42", "not-a-uuid", "%00", "x" * 300, "-" * 36]
)
@pytest.mark.case("U33")
def test_an_id_of_no_prediction_is_not_found(key: str, judge: Callable[..., Any]) -> None:
    problem_of(judge(key, {"label": "no"}), 404)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b" ", 400, "not JSON"),
        (b"[]", 400, "not an object"),
        (b"{}", 400, '"label"'),
        (b'{"label": "no", "lable": 1}', 400, '"lable"'),
        (b'{"label": "no", "label": "yes"}', 400, "duplicate name"),
        (b'{"label": true}', 422, "is not a class"),
        (b'{"label": ["no"]}', 422, "refused"),
        (b'{"label": null}', 422, "refused"),
        (b'{"label": "no", "replace": "yes"}', 422, "refused"),
        (b'{"label": "\\ud800"}', 400, "surrogate"),
    ],
)
def test_a_body_of_another_shape_is_refused(
    body: bytes, status: int, words: str, judge: Callable[..., Any]
) -> None:
    assert words in problem_of(judge(PredictionFactory.create().pk, body), status)["detail"]
    assert not Feedback.objects.exists()


def test_another_media_type_is_refused(judge: Callable[..., Any]) -> None:
    problem_of(judge(PredictionFactory.create().pk, b"label=no", content_type="text/plain"), 415)


def test_feedback_needs_its_scope(client: Client) -> None:
    ApiKeyFactory.create(secret="clf_reader", scopes=("read", "predict", "train", "activate"))
    path = f"/api/predictions/{PredictionFactory.create().pk}/feedback"
    for headers, status in (({}, 401), ({"authorization": "Bearer clf_reader"}, 403)):
        problem_of(client.post(path, {"label": "no"}, "application/json", headers=headers), status)


def test_a_session_needs_the_permission_and_the_token(client: Client) -> None:
    path = f"/api/predictions/{PredictionFactory.create().pk}/feedback"
    assert staff_client().post(path, {"label": "no"}, "application/json").status_code == 403
    may = staff_client("predictions.add_feedback", username="grace")
    assert may.post(path, {"label": "no"}, "application/json").json()["actor"] == "grace"
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(UserFactory.create(is_superuser=True))
    problem_of(strict.post(path, {"label": "no"}, "application/json"), 403)


def test_the_log_of_the_api_shows_the_truth_in_force(judge: Callable[..., Any]) -> None:
    ApiKeyFactory.create(secret="clf_reader", scopes=("read",))
    known, unknown = PredictionFactory.create_batch(2, version=VersionFactory.create())
    judge(known.pk, {"label": "no"})
    judge(known.pk, {"label": "yes", "replace": True})
    client = Client(headers={"authorization": "Bearer clf_reader"})
    listed = {item["id"]: item["truth"] for item in client.get("/api/predictions").json()["results"]}
    assert listed == {str(known.pk): "yes", str(unknown.pk): None}
    assert client.get(f"/api/predictions/{known.pk}").json()["truth"] == "yes"


def test_counts_are_kept_by_hour_of_the_prediction_and_corrected_with_it() -> None:
    version = VersionFactory.create()
    at = datetime(2026, 3, 1, 10, 59, 59, 999_999, tzinfo=UTC)
    first, second = PredictionFactory.create_batch(2, version=version, label="yes", created_at=at)
    hour = at.replace(minute=0, second=0, microsecond=0)
    give(first.pk, "yes")
    give(second.pk, "yes")
    assert counted() == {(hour, 1, 1): 2}
    give(second.pk, "no", replace=True)
    assert counted() == {(hour, 1, 1): 1, (hour, 1, 0): 1}
    give(second.pk, "yes", replace=True)
    assert counted() == {(hour, 1, 1): 2}


def test_services_say_what_was_refused() -> None:
    prediction = PredictionFactory.create()
    with pytest.raises(NotFound):
        give(uuid4(), "no")
    with pytest.raises(InvalidInput):
        give(prediction.pk, "perhaps")
    assert give(prediction.pk, "no") is Change.CREATED
    with pytest.raises(Conflict):
        give(prediction.pk, "yes")


def test_the_database_itself_keeps_one_truth_in_force() -> None:
    prediction = PredictionFactory.create()
    give(prediction.pk, "no")
    with pytest.raises(IntegrityError), transaction.atomic():
        Feedback.objects.create(prediction=prediction, label="yes", source="api", actor="tests")
    with pytest.raises(IntegrityError), transaction.atomic():
        Feedback.objects.create(prediction=PredictionFactory.create(), label="", source="api", actor="tests")


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_judge_one_prediction_at_once_one_is_first() -> None:
    prediction = PredictionFactory.create()
    labels = ["no", "yes"] * 4
    result = at_once([partial(give, prediction.pk, label) for label in labels])
    created = [item for item in result if item is Change.CREATED]
    assert len(created) == 1
    assert Feedback.objects.count() == 1
    stored = Feedback.objects.get().label
    assert sum(item is Change.UNCHANGED for item in result) == labels.count(stored) - 1
    assert sum(isinstance(item, Conflict) for item in result) == 8 - labels.count(stored)
    assert list(counted().values()) == [1]


@pytest.mark.django_db(transaction=True)
def test_corrections_at_once_leave_counts_that_a_recount_confirms() -> None:
    version = VersionFactory.create()
    predictions = PredictionFactory.create_batch(6, version=version)
    ids = [prediction.pk for prediction in predictions]

    def correct(worker: int) -> None:
        # in another order for each, which would lock them out if locks were taken as they come
        order = ids if worker % 2 else ids[::-1]
        for turn in range(3):
            label = ("no", "yes")[(worker + turn) % 2]
            truths = [feedback.Truth(item, label) for item in order]
            with transaction.atomic():
                weighed, faults = feedback.weigh(truths, replace=True, lock=True)
                assert not faults
                feedback.store(weighed, actor="tests", source=Feedback.Source.API)

    result = at_once([partial(correct, worker) for worker in range(8)])
    assert result == [None] * 8
    in_force = Feedback.objects.in_force()
    assert in_force.count() == len(ids)
    truths = [item.label for item in in_force]
    sums: dict[int, int] = {}
    for (_, _, truth), count in counted().items():
        sums[truth] = sums.get(truth, 0) + count
    assert sums == {
        place: truths.count(label) for place, label in enumerate(("no", "yes")) if label in truths
    }


def test_one_truth_takes_a_fixed_number_of_statements(django_assert_num_queries: Any) -> None:
    prediction = PredictionFactory.create()
    with django_assert_num_queries(7):  # savepoint, prediction, classes, known, insert, count, release
        give(prediction.pk, "no")


def test_a_prediction_takes_its_feedback_with_it() -> None:
    prediction = PredictionFactory.create()
    give(prediction.pk, "no")
    Prediction.objects.filter(pk=prediction.pk).delete()
    assert not Feedback.objects.exists()


def give(prediction: UUID, label: str, *, replace: bool = False) -> Change:
    return give_feedback(
        prediction_id=prediction, label=label, actor="tests", source=Feedback.Source.API, replace=replace
    )
