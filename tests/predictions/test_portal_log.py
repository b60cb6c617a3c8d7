"""The log of predictions in the portal."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from predictions.models import Prediction, new_id
from tests.factories import BatchFactory, PredictionFactory, VersionFactory
from tests.portal import staff_client
from training.models import Version

LOG = reverse("predictions:prediction-list")


def listed(**query: Any) -> list[Prediction]:
    response = staff_client(username=str(new_id())).get(LOG, query)
    assert response.status_code == 200
    found: list[Prediction] = response.context["page"]
    return found


@pytest.fixture
def row(db: None) -> Version:
    """A version whose files nobody asks for."""
    return VersionFactory.create()


def test_the_newest_stand_first(row: Version) -> None:
    made = PredictionFactory.create_batch(3, version=row)
    assert listed() == sorted(made, key=lambda each: each.pk, reverse=True)


def test_pages_join_without_a_gap_and_without_counting(row: Version) -> None:
    made = {each.pk for each in PredictionFactory.create_batch(120, version=row)}
    client = staff_client()
    found: list[Any] = []
    before: dict[str, str] = {}
    with CaptureQueriesContext(
        connection,
    ) as queries:
        for size in (50, 50, 20):
            response = client.get(LOG, before)
            page = [each.pk for each in response.context["page"]]
            assert len(page) == size
            found += page
            before = {"before": str(response.context["older"])}
    assert response.context["older"] is None
    assert found == sorted(made, reverse=True)
    log = [query["sql"] for query in queries if "predictions_prediction" in query["sql"]]
    assert len(log) == 3
    assert not [sql for sql in log if "COUNT" in sql or "OFFSET" in sql]


def test_every_filter_narrows_the_list(row: Version) -> None:
    PredictionFactory.create_batch(2, version=row)
    batch = BatchFactory.create(version=row)
    wanted = PredictionFactory.create(
        version__classifier__name="other", label="no", source="form", caller="ada"
    )
    in_batch = PredictionFactory.create(version=row, batch=batch, row=0)
    assert listed(classifier="other") == [wanted]
    assert listed(label="no") == [wanted]
    assert listed(source="form") == [wanted]
    assert listed(caller="ada") == [wanted]
    assert listed(batch=batch.pk) == [in_batch]
    assert listed(caller="ada", label="yes") == []
    assert len(listed()) == 4


def test_older_pages_keep_the_filters(row: Version) -> None:
    PredictionFactory.create_batch(60, version=row, caller="ada")
    shown = staff_client().get(LOG, {"caller": "ada"}).content.decode()
    assert "caller=ada&amp;before=" in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("classifier", "nobody"),
        ("label", "maybe"),
        ("source", "ftp"),
        ("batch", "one"),
        ("batch", "-1"),
        ("caller", "a\0b"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named_and_finds_nothing(name: str, value: str, row: Version) -> None:
    PredictionFactory.create(version=row)
    response = staff_client().get(LOG, {name: value})
    assert response.context["form"].errors[name]
    assert response.context["page"] == []


def test_a_tampered_cursor_is_not_found(row: Version) -> None:
    assert staff_client().get(LOG, {"before": "1 OR 1=1"}).status_code == 404


def test_an_empty_log_says_what_will_be_there(db: None) -> None:
    assert "No predictions yet" in staff_client().get(LOG).content.decode()


def test_filters_that_nothing_fits_can_be_taken_away(row: Version) -> None:
    shown = staff_client().get(LOG, {"caller": "nobody"}).content.decode()
    assert "No prediction fits" in shown
    assert f'href="{LOG}">Show all' in shown


def test_one_prediction_stands_with_its_input_against_what_training_saw(row: Version) -> None:
    warning = {"feature": "plan", "code": "unknown_category", "message": '"<i>" was never seen in training'}
    prediction = PredictionFactory.create(
        version=row,
        features={"spend": None, "tenure": 7, "member": False, "plan": "<i>"},
        warnings=[warning],
        caller="<script>",
        latency_ms=12.345,
    )
    client = staff_client("predictions.add_prediction")
    response = client.get(reverse("predictions:prediction-detail", args=[prediction.pk]))
    shown = response.content.decode()
    assert [entry["value"] for entry in response.context["inputs"]] == [None, 7, False, "<i>"]
    assert "missing</td>" in shown
    assert "&lt;i&gt;" in shown
    assert "<i>" not in shown.replace('"<i>" was', "")
    assert "&lt;script&gt;" in shown
    assert "12.35 ms" in shown
    assert "80.0" in shown
    again = f"{reverse('predictions:predict')}?prediction={prediction.pk}"
    assert again in shown
    assert again not in staff_client(username="eve").get(response.wsgi_request.path).content.decode()


def test_a_prediction_of_a_batch_names_its_row(row: Version) -> None:
    batch = BatchFactory.create(version=row, file_name="customers.csv")
    prediction = PredictionFactory.create(version=row, batch=batch, row=4, source="csv")
    shown = (
        staff_client().get(reverse("predictions:prediction-detail", args=[prediction.pk])).content.decode()
    )
    assert "row 5 of" in shown
    assert reverse("predictions:batch-detail", args=[batch.pk]) in shown


def test_more_predictions_take_no_more_queries(row: Version, django_assert_max_num_queries: Any) -> None:
    PredictionFactory.create_batch(20, version=row)
    PredictionFactory.create_batch(5)
    client = staff_client()
    with django_assert_max_num_queries(8):
        assert len(client.get(LOG).context["page"]) == 25
