"""What a classifier answered over time, on its page and as figures."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from predictions.feedback.service import give_feedback
from predictions.models import Feedback, Prediction, first_id
from predictions.monitoring import analytics, counts
from predictions.monitoring import charts as traffic_charts
from predictions.monitoring.analytics import PERIODS
from tests.support.factories import ClassifierFactory, PredictionFactory, VersionFactory
from tests.support.portal import staff_client
from training.models import Version

pytestmark = pytest.mark.dialect

ANALYTICS = reverse("predictions:analytics")
NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


@pytest.fixture
def row(db: None) -> Version:
    """A version whose files nobody asks for."""
    return VersionFactory.create(classifier__name="churn")


def asked(version: Version, at: datetime, count: int = 1, **more: Any) -> list[Prediction]:
    return [
        PredictionFactory.create(
            version=version, id=first_id(at + timedelta(milliseconds=place)), created_at=at, **more
        )
        for place in range(count)
    ]


def context(**query: Any) -> Any:
    response = staff_client().get(ANALYTICS, query)
    assert response.status_code == 200
    return response.context


def test_steps_are_days_that_begin_at_midnight_and_hours_on_the_hour() -> None:
    days = PERIODS["30d"].steps(NOW)
    assert (days[0], days[-1], len(days)) == (
        datetime(2026, 2, 9, tzinfo=UTC),
        datetime(2026, 3, 10, tzinfo=UTC),
        30,
    )
    hours = PERIODS["24h"].steps(NOW)
    assert (hours[0], hours[-1]) == (
        datetime(2026, 3, 9, 13, tzinfo=UTC),
        datetime(2026, 3, 10, 12, tzinfo=UTC),
    )


@pytest.mark.parametrize(("period", "place"), [("30d", -2), ("7d", -26)])
def test_counts_add_up_by_version_label_probability_and_latency(
    period: str, place: int, row: Version
) -> None:
    other = VersionFactory.create(classifier=row.classifier)
    yesterday = NOW - timedelta(days=1, hours=1)
    asked(row, yesterday, 3, probability=0.95, latency_ms=1.5)
    asked(other, NOW, 2, label="no", probability=0.55, latency_ms=15)
    asked(row, NOW - timedelta(days=40))
    result = analytics.report([other, row], PERIODS[period], NOW)
    assert result.total == 5
    assert (result.by_version[row.pk][place], result.by_version[other.pk][-1]) == (3, 2)
    assert (result.by_label["yes"][place], result.by_label["no"][-1]) == (3, 2)
    assert (result.deciles["yes"][9], result.deciles["no"][5]) == (3, 2)
    assert analytics.positive_tenths("yes", result.deciles) == [0, 0, 0, 0, 2, 0, 0, 0, 0, 3]
    assert sum(result.latency[place].values()) == 3
    assert result.labels == {"no": 2, "yes": 3}


def test_accuracy_goes_by_the_time_of_the_prediction(row: Version) -> None:
    right, wrong = asked(row, NOW - timedelta(days=2), 2)
    for prediction, label in ((right, "yes"), (wrong, "no")):
        give_feedback(prediction_id=prediction.pk, label=label, actor="tests", source=Feedback.Source.API)
    result = analytics.report([row], PERIODS["7d"], NOW)
    assert [pair for pair in result.judged[row.pk] if pair[0]] == [(2, 1)]
    assert (result.all_judged, result.accuracy) == (2, 0.5)
    assert analytics.report([row], PERIODS["24h"], NOW).accuracy is None


def test_a_mix_of_labels_moves_by_what_would_have_to_change() -> None:
    assert analytics.moved({"no": 0.7, "yes": 0.3}, {"no": 50, "yes": 50}) == pytest.approx(0.2)
    assert analytics.moved({"no": 1.0}, {"no": 3}) == 0
    assert analytics.moved({"no": 1.0}, {"new": 3}) == 1
    assert analytics.moved({}, {"no": 3}) is None


def test_labels_expected_from_training_weigh_versions_by_what_they_answered(row: Version) -> None:
    asked(row, NOW, 4)
    result = analytics.report([row], PERIODS["24h"], NOW)
    columns = [sum(column) for column in zip(*row.held_out["confusion"], strict=True)]
    expected = analytics.expected_labels(result)
    assert expected == pytest.approx(
        {label: count / sum(columns) for label, count in zip(("no", "yes"), columns, strict=True)}
    )
    tenths = analytics.held_out_tenths(row)
    assert tenths is not None
    assert sum(tenths) == pytest.approx(1)


def test_the_page_shows_a_chart_of_each_kind_and_reads_no_log(row: Version) -> None:
    prediction = PredictionFactory.create(version=row)
    give_feedback(prediction_id=prediction.pk, label="no", actor="tests", source=Feedback.Source.API)
    client = staff_client()
    with CaptureQueriesContext(connection) as queries:
        response = client.get(ANALYTICS)
    assert len(queries) <= 15
    assert not [query for query in queries if '"predictions_prediction"' in query["sql"]]
    names = [chart["id"] for chart in response.context["charts"]]
    assert names == [
        *("volume-version", "volume-label", "label-mix", "probability", "latency", "accuracy"),
        f"confusion-{row.pk}",
    ]
    shown = response.content.decode()
    for name in names:
        assert f'data-figure="{name}"' in shown


def test_filters_choose_classifier_version_and_time_and_nonsense_falls_to_the_default(row: Version) -> None:
    newer = VersionFactory.create(classifier=row.classifier)
    PredictionFactory.create_batch(2, version=row)
    PredictionFactory.create(version=newer)
    ClassifierFactory.create(name="other")
    client = staff_client()

    def total(**query: str) -> Any:
        return client.get(ANALYTICS, query).context["report"].total

    assert total() == 3
    assert total(version="1", period="24h") == 2
    assert total(version="2") == 1
    assert total(classifier="other") == 0
    assert total(classifier="nobody", version="a\0", period="ever") == 3
    assert "No predictions in this period" in client.get(ANALYTICS, {"classifier": "other"}).content.decode()


def test_a_site_without_classifiers_says_what_will_be_there(db: None) -> None:
    assert "No predictions yet" in staff_client().get(ANALYTICS).content.decode()


def test_many_versions_take_no_more_queries(row: Version, django_assert_max_num_queries: Any) -> None:
    for _ in range(9):
        version = VersionFactory.create(classifier=row.classifier)
        PredictionFactory.create(version=version, created_at=timezone.now())
    client = staff_client()
    with django_assert_max_num_queries(15):
        assert client.get(ANALYTICS).context["report"].total == 9


STEPS = PERIODS["24h"].steps(NOW)


def test_of_many_series_the_smallest_stand_together_and_the_table_has_all() -> None:
    many = traffic_charts.volume("many", "Many", STEPS, {f"c{place}": [place] * 24 for place in range(30)})
    names = [trace["name"] for trace in many["figure"]["data"]]
    assert names == ["c24", "c25", "c26", "c27", "c28", "c29", "others"]
    assert many["figure"]["data"][-1]["y"][0] == sum(range(24))
    assert len(many["table"]["headers"]) == 31


def test_accuracy_shows_only_steps_with_judged_answers() -> None:
    judged = {"churn v1": [(0, 0), *([(4, 3)] * 23)]}
    line = traffic_charts.accuracy(STEPS, judged, {"churn v1": 0.8})["figure"]["data"][0]
    assert len(line["x"]) == 23
    assert set(line["y"]) == {0.75}


def test_a_quantile_is_read_between_the_bounds_of_its_bucket() -> None:
    assert counts.quantile({}, 0.5) is None
    assert counts.quantile({6: 100}, 0.5) == pytest.approx(0.75)
    assert counts.quantile({6: 50, 7: 50}, 0.99) == pytest.approx(1.98)
    assert counts.quantile({0: 1}, 1.0) == 0.01
    assert counts.quantile({18: 3}, 0.5) == 5_000


@pytest.mark.parametrize(
    ("days_ago", "period"),
    [
        ((), "30d"),
        ((0,), "24h"),
        ((3,), "7d"),
        ((20, 1), "30d"),
        ((200, 1), "30d"),
        ((200, 60), "90d"),
        ((900,), "365d"),
    ],
)
def test_the_period_with_the_predictions_is_shown_at_first(
    days_ago: tuple[int, ...], period: str, row: Version
) -> None:
    for days in days_ago:
        asked(row, timezone.now() - timedelta(days=days))
    assert context()["form"].span == period


def test_a_period_of_ones_own_counts_from_a_day_to_a_day(row: Version) -> None:
    today = timezone.now()
    for days in (0, 10, 11, 30):
        asked(row, today - timedelta(days=days))
    day = f"{today - timedelta(days=11):%Y-%m-%d}"
    client = staff_client()

    def context(**query: str) -> Any:
        return client.get(ANALYTICS, query).context

    shown = context(since=day, until=f"{today - timedelta(days=10):%Y-%m-%d}")
    assert shown["report"].total == 2
    assert shown["period"].title.startswith(day)
    assert context(since=day)["report"].total == 3
    assert context(until=day)["report"].total == 2
    assert context(since="soon")["report"].total == 3
    assert len(context(since="0001-01-01")["report"].steps) == analytics.MOST_DAYS


def test_the_page_refreshes_itself_on_request(row: Version) -> None:
    asked(row, timezone.now())
    client = staff_client()
    assert "every 60s" not in client.get(ANALYTICS).content.decode()
    assert "every 60s" in client.get(ANALYTICS, {"refresh": "on"}).content.decode()
