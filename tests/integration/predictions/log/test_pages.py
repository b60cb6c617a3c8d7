"""The log of predictions in the portal."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from predictions.feedback.files import import_feedback
from predictions.feedback.service import give_feedback
from predictions.log import export as log_export
from predictions.log import search
from predictions.log.search import Page, Wanted
from predictions.models import Feedback, Prediction, first_id, new_id
from tests.support.factories import BatchFactory, PredictionFactory, VersionFactory, tiny
from tests.support.portal import staff_client
from training.models import Version

pytestmark = pytest.mark.dialect

LOG = reverse("predictions:prediction-list")
EXPORT = reverse("predictions:prediction-export")
PARQUET = reverse("predictions:prediction-export-parquet")
UNJUDGED = reverse("predictions:prediction-export-unjudged")


def search_log(client: Any, **query: Any) -> Page:
    response = client.get(LOG, query)
    assert response.status_code == 200
    page: Page = response.context["results"]
    return page


def listed(**query: Any) -> list[Prediction]:
    return search_log(staff_client(username=str(new_id())), **query).rows


@pytest.fixture
def row(db: None) -> Version:
    """A version whose files nobody asks for."""
    return VersionFactory.create()


def test_the_newest_stand_first(row: Version) -> None:
    made = PredictionFactory.create_batch(3, version=row)
    assert listed() == sorted(made, key=lambda item: item.pk, reverse=True)


def test_pages_join_in_both_directions_without_a_gap_and_without_counting(row: Version) -> None:
    made = sorted((item.pk for item in PredictionFactory.create_batch(120, version=row)), reverse=True)
    client = staff_client()
    with CaptureQueriesContext(connection) as queries:
        first = search_log(client)
        second = search_log(client, before=first.older)
        third = search_log(client, before=second.older)
        back = search_log(client, after=third.newer)
        home = search_log(client, after=back.newer)
    assert [len(page.rows) for page in (first, second, third)] == [50, 50, 20]
    assert [item.pk for page in (first, second, third) for item in page.rows] == made
    assert (first.newer, third.older) == (None, None)
    assert (back.rows, home.rows) == (second.rows, first.rows)
    assert home.newer is None
    log = [query["sql"] for query in queries if 'FROM "predictions_prediction"' in query["sql"]]
    assert len(log) == 5
    assert not [sql for sql in log if "COUNT" in sql or "OFFSET" in sql]


def test_the_oldest_stand_first_where_the_heading_asks_for_it_in_pages_that_join(row: Version) -> None:
    made = sorted(item.pk for item in PredictionFactory.create_batch(120, version=row))
    client = staff_client()
    with CaptureQueriesContext(connection) as queries:
        first = search_log(client, sort="time")
        second = search_log(client, sort="time", after=first.newer)
        third = search_log(client, sort="time", after=second.newer)
        back = search_log(client, sort="time", before=third.older)
        home = search_log(client, sort="time", before=back.older)
    assert [len(page.rows) for page in (first, second, third)] == [50, 50, 20]
    assert [item.pk for page in (first, second, third) for item in page.rows] == made
    assert (first.older, third.newer) == (None, None)
    assert (back.rows, home.rows) == (second.rows, first.rows)
    assert home.older is None
    log = [query["sql"] for query in queries if 'FROM "predictions_prediction"' in query["sql"]]
    assert len(log) == 5
    assert not [sql for sql in log if "COUNT" in sql or "OFFSET" in sql]


def test_the_heading_of_the_time_turns_the_order_round_and_begins_anew(row: Version) -> None:
    made = PredictionFactory.create_batch(60, version=row, caller="ada")
    client = staff_client()
    second = client.get(LOG, {"caller": "ada", "before": str(made[30].pk)}).content.decode()
    assert 'aria-sort="descending"' in second
    assert 'href="?caller=ada&amp;sort=time"' in second
    turned = client.get(LOG, {"caller": "ada", "sort": "time"}).content.decode()
    assert 'aria-sort="ascending"' in turned
    assert 'href="?caller=ada&amp;sort=-time"' in turned
    assert '<input type="hidden" name="sort" value="time">' in turned
    onwards = search_log(client, caller="ada", sort="time").newer
    assert f'href="?caller=ada&amp;sort=time&amp;after={onwards}"' in turned
    assert search_log(client, sort="nonsense").rows == search_log(client).rows


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
    assert listed(version=wanted.version_id) == [wanted]
    assert listed(version=wanted.version_id, classifier="other", source="form") == [wanted]
    assert listed(version=row.pk, classifier="other") == []
    assert len(listed()) == 4


def test_a_time_takes_its_beginning_and_leaves_its_end(row: Version) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    early, at, late = (
        PredictionFactory.create(version=row, id=first_id(moment), created_at=moment)
        for moment in (noon - timedelta(minutes=1), noon, noon + timedelta(minutes=1))
    )
    assert listed(since="2026-03-01T12:00") == [late, at]
    assert listed(until="2026-03-01T12:01", caller="tests", label="yes") == [at, early]
    assert listed(since="2026-03-01T12:00", until="2026-03-01T12:01") == [at]


def test_a_probability_is_asked_for_in_percent_and_found_where_no_index_leads(row: Version) -> None:
    PredictionFactory.create_batch(3, version=row, probability=0.95)
    low = PredictionFactory.create(version=row, probability=0.55)
    PredictionFactory.create_batch(3, version=row, probability=0.95)
    assert listed(high=60) == [low]
    assert listed(low=55, high=55, label="yes") == [low]
    assert listed(high=40) == []
    assert len(listed(low="90")) == 6


def test_the_counts_say_at_once_where_nothing_can_be_found(row: Version) -> None:
    PredictionFactory.create_batch(3, version=row, probability=0.95)
    client = staff_client()
    with CaptureQueriesContext(connection) as queries:
        assert search_log(client, high=30).rows == []
    assert not [query for query in queries if 'FROM "predictions_prediction"' in query["sql"]]


@pytest.mark.parametrize("query", [{"high": 60}, {"high": 60, "label": "yes"}, {"feedback": "wrong"}])
def test_a_search_stops_after_so_many_rows_and_goes_on_from_there_in_both_directions(
    query: dict[str, Any], row: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "WINDOW", 10)
    monkeypatch.setattr(search, "JUDGED_WINDOW", 10)
    wanted = []
    for number in range(35):
        hit = number in {3, 30}
        made = PredictionFactory.create(version=row, probability=0.55 if hit else 0.95)
        give_feedback(
            prediction_id=made.pk, label="no" if hit else "yes", actor="tests", source=Feedback.Source.API
        )
        wanted += [made] if hit else []
    client = staff_client()
    seen: list[Prediction] = []
    before: dict[str, Any] = {}
    pages = 0
    while True:
        page = search_log(client, **query, **before)
        seen += page.rows
        pages += 1
        if page.older is None:
            break
        assert page.looked_to is not None
        before = {"before": page.older}
    assert (seen, pages) == (wanted[::-1], 4)
    again: list[Prediction] = []
    after: dict[str, Any] = {}
    while True:
        page = search_log(client, **query, **after, sort="time")
        again += page.rows
        if page.newer is None:
            break
        after = {"after": page.newer}
    assert again == wanted


@pytest.mark.parametrize("feedback", ["with", "without", "wrong"])
def test_the_truth_narrows_the_list(feedback: str, row: Version) -> None:
    right, wrong, unknown = PredictionFactory.create_batch(3, version=row)
    for item, label in ((right, "yes"), (wrong, "no")):
        give_feedback(prediction_id=item.pk, label=label, actor="tests", source=Feedback.Source.API)
    expected = {"with": [wrong, right], "without": [unknown], "wrong": [wrong]}[feedback]
    assert listed(feedback=feedback) == expected
    assert listed(feedback=feedback, label="yes", caller="tests") == expected


@pytest.mark.parametrize("oldest_first", [False, True], ids=["newest first", "oldest first"])
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(), "predictions_prediction_pkey"),
        (Wanted(label="yes"), "prediction_label"),
        (Wanted(source="api"), "prediction_source"),
        (Wanted(caller="tests"), "prediction_caller"),
        (Wanted(versions=(1,)), "prediction_version"),
        (Wanted(feedback="with"), "predictions_feedback"),
        (Wanted(feedback="wrong"), "predictions_feedback"),
        (Wanted(feedback="without"), "predictions_prediction_pkey"),
        (Wanted(low=0.5, high=0.6), "predictions_prediction_pkey"),
    ],
)
def test_no_search_sorts_the_log_or_reads_it_from_end_to_end(
    wanted: Wanted, index: str, oldest_first: bool, row: Version
) -> None:
    PredictionFactory.create_batch(60, version=row)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # on a few rows it would read all, whatever indexes there are; it sorts only for want of an order
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        with CaptureQueriesContext(connection) as queries:
            search.find(wanted, size=5, oldest_first=oldest_first)
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        plan: list[str] = []
        for query in [item["sql"] for item in queries if "predictions_prediction" in item["sql"]]:
            cursor.execute(f"{explain} {query}")
            plan += [str(line[-1]) for line in cursor.fetchall()]
    refused = ("Seq Scan on predictions_", " Sort ", "TEMP B-TREE")
    assert not [line for line in plan if any(word in line for word in refused)], plan
    if connection.vendor == "postgresql" and plan:
        assert any(index in line for line in plan), plan


def test_what_is_found_is_exported_whole_with_formulas_quoted(row: Version) -> None:
    batch = PredictionFactory.create_batch(3, version=row)
    features = {"spend": None, "tenure": 7, "member": True, "plan": "=1+1"}
    odd = PredictionFactory.create(version=row, features=features, caller="@sum", label="no")
    give_feedback(prediction_id=odd.pk, label="yes", actor="tests", source=Feedback.Source.API)
    client = staff_client()
    response = client.get(EXPORT, {"classifier": row.classifier.name})
    assert response["Content-Type"].startswith("text/csv")
    header, *lines = csv.reader(io.StringIO(response.getvalue().decode()))
    assert header[-4:] == ["spend", "tenure", "member", "plan"]
    assert [line[0] for line in lines] == [str(item.pk) for item in [odd, *batch[::-1]]]
    first = dict(zip(header, lines[0], strict=True))
    assert (first["label"], first["truth"], first["caller"]) == ("no", "yes", "'@sum")
    assert (first["spend"], first["tenure"], first["member"], first["plan"]) == ("", "7", "true", "'=1+1")
    everything = client.get(EXPORT, {"label": "no", "features": "json"}).getvalue().decode()
    header, line = csv.reader(io.StringIO(everything))
    assert json.loads(line[header.index("features")]) == features
    assert client.get(EXPORT, {"features": "xml"}).status_code == 400


def test_an_export_of_several_classifiers_has_a_column_for_each_input_of_any(row: Version) -> None:
    first, *_ = row.contract_data["features"]
    contract = {**row.contract_data, "features": [first, {**first, "name": "colour"}]}
    other = VersionFactory.create(contract_data=contract)
    PredictionFactory.create(version=row, features={"spend": 1.5, "tenure": 7})
    PredictionFactory.create(version=other, features={"spend": 2.5, "colour": "red"})
    lines = list(csv.DictReader(io.StringIO(staff_client().get(EXPORT).getvalue().decode())))
    assert [(line["spend"], line["tenure"], line["colour"]) for line in lines] == [
        ("2.5", "", "red"),
        ("1.5", "7", ""),
    ]


def test_the_list_tells_what_was_true_and_whether_the_prediction_was_right(row: Version) -> None:
    for truth in ("yes", "no", None):
        prediction = PredictionFactory.create(version=row, label="yes")
        if truth:
            give_feedback(prediction_id=prediction.pk, label=truth, actor="tests", source=Feedback.Source.API)
    shown = staff_client().get(LOG).content.decode()
    assert shown.count(">right</span>") == 1
    assert shown.count(">wrong</span>") == 1
    assert shown.count("stretched-link") == 3


def test_an_export_tells_a_feature_called_label_from_the_label(row: Version) -> None:
    first, *others = row.contract_data["features"]
    Version.objects.update(
        contract_data={**row.contract_data, "features": [{**first, "name": "label"}, *others]}
    )
    PredictionFactory.create(version=row, features={"label": "a\nb"}, label="yes")
    text = "".join(log_export.write(Wanted(), row.classifier))
    (line,) = csv.DictReader(io.StringIO(text, newline=""))
    assert (line["clfsite_label"], line["label"]) == ("yes", "a\nb")


def test_an_export_goes_on_past_a_page_and_stops_at_its_limit(
    row: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    PredictionFactory.create_batch(7, version=row)
    monkeypatch.setattr(log_export, "AT_ONCE", 2)
    client = staff_client()
    newest_first = client.get(EXPORT).getvalue().splitlines()
    assert len(newest_first) == 8
    oldest_first = client.get(EXPORT, {"sort": "time"}).getvalue().splitlines()
    assert oldest_first == [newest_first[0], *newest_first[:0:-1]]
    monkeypatch.setattr(log_export, "MOST", 5)
    assert len(client.get(EXPORT).getvalue().splitlines()) == 6
    assert client.get(EXPORT, {"label": "maybe"}).status_code == 400


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
        ("version", "0"),
        ("since", "yesterday"),
        ("low", "101"),
        ("high", "nan"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named_and_finds_nothing(name: str, value: str, row: Version) -> None:
    PredictionFactory.create(version=row)
    response = staff_client().get(LOG, {name: value})
    assert response.context["form"].errors[name]
    assert response.context["results"].rows == []


def test_a_span_that_ends_before_it_begins_is_named(row: Version) -> None:
    query = {"since": "2026-03-02T00:00", "until": "2026-03-01T00:00", "low": "60", "high": "50"}
    assert set(staff_client().get(LOG, query).context["form"].errors) == {"until", "high"}


@pytest.mark.case("U06")
def test_a_tampered_cursor_is_not_found(row: Version) -> None:
    for name in ("before", "after"):
        assert staff_client(username=name).get(LOG, {name: "1 OR 1=1"}).status_code == 404


def test_an_empty_log_says_what_will_be_there(db: None) -> None:
    assert "No predictions yet" in staff_client().get(LOG).content.decode()


def test_filters_that_nothing_fits_can_be_taken_away(row: Version) -> None:
    shown = staff_client().get(LOG, {"caller": "nobody"}).content.decode()
    assert "No matching predictions" in shown
    assert f'href="{LOG}">Show all' in shown


@pytest.mark.case("U28")
def test_one_prediction_stands_with_its_input_against_what_training_saw(row: Version) -> None:
    warning = {"feature": "plan", "code": "unknown_category", "message": '"<i>" is not in the training data'}
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
    assert [entry.value for entry in response.context["inputs"]] == [None, 7, False, "<i>"]
    assert "missing</td>" in shown
    assert "&lt;i&gt;" in shown
    assert "<i>" not in shown.replace('"<i>" was', "")
    assert "&lt;script&gt;" in shown
    assert "12.35 ms" in shown
    assert "80.0" in shown
    again = f"{reverse('predictions:predict')}?prediction={prediction.pk}"
    assert again in shown
    assert again not in staff_client(username="eve").get(response.wsgi_request.path).content.decode()


def test_each_value_has_its_place_among_those_of_training(row: Version) -> None:
    features = {"spend": 10_000.0, "tenure": 7, "member": True, "plan": "pro"}
    prediction = PredictionFactory.create(version=row, features=features)
    response = staff_client().get(reverse("predictions:prediction-detail", args=[prediction.pk]))
    spend, tenure, member, plan = response.context["inputs"]
    assert (spend.mark, spend.is_outside) == (20.0, True)
    low, high = (tenure.feature.low, tenure.feature.high)
    assert tenure.mark == pytest.approx((7 - low) / (high - low) * 20)
    assert not tenure.is_outside
    counted = {
        name: (tiny().table[name].astype(str).str.lower() == value).mean()
        for name, value in (("member", "true"), ("plan", "pro"))
    }
    assert (member.share, plan.share) == (counted["member"], counted["plan"])
    assert "7 among the values in training" in response.content.decode()


@pytest.mark.parametrize(
    ("top", "distinct", "plan", "words"),
    [
        ([["basic", 40], ["plus", 8]], 14, "pro", "one of 12 rarer values, together 10.0\u202f% of the rows"),
        ([["basic", 40], ["plus", 8]], 3, "pro", "10.0\u202f% of the rows"),
        ([["basic", 40], ["plus", 8]], 14, "trial", "not in training"),
        ([], 3, "pro", "not compared"),
    ],
)
def test_a_rarer_value_is_compared_as_far_as_it_was_counted(
    top: list[list[Any]], distinct: int, plan: str, words: str, row: Version
) -> None:
    dataset = row.run.dataset
    dataset.profile = [
        {**column, "top": top, "distinct": distinct, "missing": 6} if column["name"] == "plan" else column
        for column in dataset.profile
    ]
    dataset.save()
    features = {"spend": 10.0, "tenure": 7, "member": True, "plan": plan}
    prediction = PredictionFactory.create(version=row, features=features)
    response = staff_client().get(reverse("predictions:prediction-detail", args=[prediction.pk]))
    cells = re.findall(
        r'data-label="Compared with training">(.*?)</td>', response.content.decode(), re.DOTALL
    )
    assert strip_tags(cells[-1]).strip() == words
    assert all(strip_tags(cell).strip() or "<svg" in cell for cell in cells)


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
    with django_assert_max_num_queries(10):
        assert len(search_log(client).rows) == 25
    with django_assert_max_num_queries(15):
        assert (
            len(search_log(client, classifier=row.classifier.name, label="yes", feedback="without").rows)
            == 20
        )


def test_the_log_is_exported_as_parquet_with_types(row: Version, tmp_path: Path) -> None:
    features = {"spend": 1.5, "tenure": 7, "member": True, "plan": "=1+1"}
    odd = PredictionFactory.create(version=row, features=features, label="no", probability=0.75)
    give_feedback(prediction_id=odd.pk, label="yes", actor="tests", source=Feedback.Source.API)
    empty = PredictionFactory.create(version=row, features={**features, "spend": None})
    client = staff_client()
    response = client.get(PARQUET, {"classifier": row.classifier.name, "sort": "time"})
    assert 'filename="predictions.parquet"' in response["Content-Disposition"]
    path = tmp_path / "log.parquet"
    path.write_bytes(response.getvalue())
    with duckdb.connect() as database:
        table = database.read_parquet(str(path))
        types = dict(zip(table.columns, map(str, table.types), strict=True))
        first, second = (dict(zip(table.columns, values, strict=True)) for values in table.fetchall())
    assert types["time"] == "TIMESTAMP WITH TIME ZONE"
    assert [types[name] for name in ("id", "probability", *features)] == [
        *("UUID", "DOUBLE", "DOUBLE", "DOUBLE", "BOOLEAN", "VARCHAR")
    ]
    assert {name: first[name] for name in features} == features
    assert (first["id"], first["label"], first["truth"]) == (odd.pk, "no", "yes")
    assert first["time"] == odd.created_at
    assert (second["id"], second["spend"], second["truth"]) == (empty.pk, None, None)
    assert client.get(PARQUET, {"label": "maybe"}).status_code == 400
    assert client.get(PARQUET, {"colour": "red"}).status_code == 400


def test_parquet_tells_inputs_apart_that_differ_in_case_or_kind(row: Version, tmp_path: Path) -> None:
    first, *_ = row.contract_data["features"]
    number, text = {**first, "name": "size"}, {**first, "name": "size", "kind": "category"}
    Version.objects.update(contract_data={**row.contract_data, "features": [number]})
    VersionFactory.create(
        classifier=row.classifier,
        number=2,
        contract_data={**row.contract_data, "features": [text, {**first, "name": "Size"}]},
    )
    PredictionFactory.create(version=row, features={"size": 2.5, "Size": 1e30})
    with duckdb.connect() as database:
        written = log_export.write_parquet(tmp_path, Wanted(), row.classifier)
        table = database.read_parquet(str(written))
        (values,) = table.fetchall()
        assert (
            dict(zip(table.columns, values, strict=True)).items() >= {"size": "2.5", "Size_2": 1e30}.items()
        )


def test_parquet_of_nothing_has_its_columns(row: Version, tmp_path: Path) -> None:
    with duckdb.connect() as database:
        table = database.read_parquet(str(log_export.write_parquet(tmp_path, Wanted(), row.classifier)))
        assert (len(table), "spend" in table.columns) == (0, True)


def test_a_file_to_fill_in_has_what_lacks_a_true_label_and_is_a_feedback_file(row: Version) -> None:
    known, *others = PredictionFactory.create_batch(3, version=row)
    give_feedback(prediction_id=known.pk, label="yes", actor="tests", source=Feedback.Source.API)
    client = staff_client("predictions.add_feedback")
    response = client.get(UNJUDGED, {"sort": "time"})
    assert 'filename="true-labels.csv"' in response["Content-Disposition"]
    content = response.getvalue()
    header, *lines = csv.reader(io.StringIO(content.decode()))
    assert header[:3] == ["id", "truth", "label"]
    assert {"spend", "tenure", "member", "plan"} <= set(header)
    assert [(line[0], line[1]) for line in lines] == [(str(item.pk), "") for item in others]
    as_it_is = ContentFile(content, "true-labels.csv")
    told = import_feedback(source=as_it_is, actor="tests", via=Feedback.Source.FORM)
    assert (told.changes.total(), told.without_label, told.label_column) == (0, 2, "truth")
    lines[0][1] = "no"
    filled = io.StringIO()
    csv.writer(filled).writerows([header, *lines])
    told = import_feedback(
        source=ContentFile(filled.getvalue().encode(), "filled.csv"), actor="tests", via=Feedback.Source.FORM
    )
    assert (told.changes.total(), told.without_label) == (1, 1)
    assert Feedback.objects.get(prediction=others[0]).label == "no"


def test_a_file_to_fill_in_works_with_inputs_called_as_its_columns(row: Version) -> None:
    first, *_ = row.contract_data["features"]
    named = [{**first, "name": "truth"}, {**first, "name": "id"}]
    Version.objects.update(contract_data={**row.contract_data, "features": named})
    PredictionFactory.create(version=row, features={"truth": 1, "id": 2})
    text = "".join(log_export.write_unjudged(Wanted(), row.classifier))
    told = import_feedback(
        source=ContentFile(text.encode(), "true-labels.csv"), actor="tests", via=Feedback.Source.FORM
    )
    assert (told.label_column, told.without_label) == ("clfsite_truth", 1)
