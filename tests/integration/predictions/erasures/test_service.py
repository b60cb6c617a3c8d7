"""What has a reference is erased on request, with a record that does not tell it, and the counts stay."""

from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import CommandError, call_command
from django.db.models import Sum
from django.urls import reverse

from clfsite.core.errors import Conflict, InvalidInput, NotFound
from predictions.batches.service import create_batch, execute_batch, files
from predictions.erasures import service
from predictions.erasures.models import Erasure
from predictions.erasures.service import digest_of, erase
from predictions.feedback.service import give_feedback
from predictions.models import Feedback, FeedbackCount, HourlyCount, KeptAnswer, Prediction
from tests.integration.conftest import Post, problem_of
from tests.support.factories import ApiKeyFactory, BatchFactory, PredictionFactory, VersionFactory
from tests.support.portal import staff_client
from training.models import Version

pytestmark = [pytest.mark.django_db, pytest.mark.dialect]


def counts() -> tuple[int, int]:
    """Predictions and true labels by the counts."""
    predictions = HourlyCount.objects.aggregate(sum=Sum("predictions"))["sum"]
    return predictions, FeedbackCount.objects.aggregate(sum=Sum("predictions"))["sum"]


def test_rows_and_labels_go_and_counts_and_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PIECE", 2)
    version = VersionFactory.create()
    rows = PredictionFactory.create_batch(5, version=version, reference="A")
    other = PredictionFactory.create(version=version, reference="B")
    for row in (rows[0], rows[3], other):
        give_feedback(prediction_id=row.pk, label="no", actor="x", source=Feedback.Source.API)
    before = counts()
    record = erase(reference="A", reason="requested", actor="ann")
    assert (record.predictions, record.feedback, record.actor, record.reason) == (5, 2, "ann", "requested")
    assert record.digest == digest_of("A") != "A"
    assert list(Prediction.objects.all()) == [other]
    assert Feedback.objects.get().prediction_id == other.pk
    assert counts() == before == (6, 3)
    with pytest.raises(NotFound, match="no prediction has the reference"):
        erase(reference="A", reason="requested", actor="ann")
    assert Erasure.objects.count() == 1


def test_a_kept_answer_that_tells_of_it_goes_too(
    post: Post, version: Version, example: dict[str, Any]
) -> None:
    for name in ("A", "B"):
        post("/predict", {"features": example, "reference": name}, **{"Idempotency-Key": name})
    erase(reference="A", reason="requested", actor="ann")
    assert KeptAnswer.objects.get().name == "B"


def test_batches_with_such_rows_are_named_and_their_files_deleted_if_asked(version: Version) -> None:
    content = b"spend,tenure,member,plan,reference\n1,2,true,pro,A\n1,3,true,pro,B\n"
    made = []
    for _ in range(2):
        batch = create_batch(source=ContentFile(content, name="orders.csv"), caller="tests")
        execute_batch(batch)
        made.append(batch)
    record = erase(reference="A", reason="requested", actor="ann")
    assert (record.batches, record.files_removed) == ([batch.pk for batch in made], False)
    assert files().exists(made[0].source_name)
    record = erase(reference="B", reason="requested", actor="ann", batch_files=True)
    assert record.files_removed
    for batch in made:
        assert not files().exists(batch.source_name)
        assert not files().exists(batch.part_name(0))
        batch.refresh_from_db()
        assert batch.preview == {}
    page = staff_client().get(reverse("predictions:batch-detail", args=[made[0].pk]))
    assert page.status_code == 200


def test_while_a_batch_is_scored_nothing_is_erased() -> None:
    version = VersionFactory.create()
    batch = BatchFactory.create(version=version, running=True)
    PredictionFactory.create(version=version, reference="A", batch=batch, row=0)
    with pytest.raises(Conflict, match="try again when it has ended"):
        erase(reference="A", reason="requested", actor="ann")
    assert Prediction.objects.count() == 1


def test_what_cannot_be_a_reference_is_refused() -> None:
    with pytest.raises(InvalidInput):
        erase(reference="a\nb", reason="requested", actor="ann")


def test_the_page_erases_and_shows_the_record(version: Version) -> None:
    PredictionFactory.create(version=version, reference="order-17")
    approver = staff_client("predictions.add_erasure")
    page = reverse("predictions:erasure-list")
    assert (
        "No prediction has" in approver.post(page, {"reference": "order-1", "reason": "x"}).content.decode()
    )
    approver.post(page, {"reference": "order-17", "reason": "ticket 9"})
    shown = approver.get(page).content.decode()
    assert "ticket 9" in shown
    assert "order-17" not in shown
    assert not Prediction.objects.exists()


def test_the_api_erases_and_lists(client: Any) -> None:
    PredictionFactory.create(reference="order-17")
    ApiKeyFactory.create(name="ops", secret="clf_ops", scopes=("activate",))
    headers = {"authorization": "Bearer clf_ops"}

    def post(body: Any) -> Any:
        return client.post("/api/erasures", body, content_type="application/json", headers=headers)

    made = post({"reference": "order-17", "reason": "ticket 9"})
    assert (made.status_code, made.json()["predictions"], made.json()["actor"]) == (201, 1, "key ops")
    assert "order-17" not in made.content.decode()
    problem_of(post({"reference": "order-17", "reason": "ticket 9"}), 404)
    problem_of(post({"reference": "", "reason": "ticket 9"}), 422)
    listed = client.get("/api/erasures", headers=headers).json()["results"]
    assert [item["digest"] for item in listed] == [digest_of("order-17")]


def test_the_command_erases(capsys: pytest.CaptureFixture[str]) -> None:
    PredictionFactory.create(reference="order-17")
    call_command("erase", "order-17", reason="ticket 9")
    assert "erased 1 predictions and 0 true labels" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no prediction has"):
        call_command("erase", "order-17", reason="ticket 9")
