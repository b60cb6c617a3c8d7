"""Batches in the portal: upload, progress, charts, download."""

import csv
import html
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from predictions.batches import service as batches
from predictions.batches.models import Batch
from predictions.models import Prediction
from tests.support.factories import BatchFactory, ClassifierFactory, VersionFactory, trained_version
from tests.support.portal import staff_client
from training.ml.tables.contract import Contract, Feature, Kind
from training.models import Version

LIST = reverse("predictions:batch-list")
HEADER = "spend,tenure,member,plan"


@pytest.fixture
def analyst(db: None) -> Client:
    return staff_client("predictions.add_batch")


def upload(client: Client, text: str | bytes, *, name: str = "customers.csv", model: str = "churn") -> Any:
    content = text if isinstance(text, bytes) else text.encode()
    return client.post(LIST, {"model": model, "file": SimpleUploadedFile(name, content)})


def start(client: Client, batch: Batch, mode: str = "strict") -> Any:
    return client.post(reverse("predictions:batch-start", args=[batch.pk]), {"mode": mode}, follow=True)


def checked(client: Client, text: str) -> Batch:
    """A file handed in by the form, as it waits after its check."""
    upload(client, text)
    batch = Batch.objects.latest("pk")
    batches.execute_batch(batch)
    return batch


def scored(text: str, *, name: str = "customers.csv") -> Batch:
    batch = batches.create_batch(source=ContentFile(text.encode(), name=name), caller="tests")
    batches.execute_batch(batch)
    batch.refresh_from_db()
    return batch


def rows(count: int) -> str:
    lines = (f"{60 + number},{1 + number % 70},true,pro" for number in range(count))
    return "\n".join([HEADER, *lines, ""])


def page(client: Client, batch: Batch) -> Any:
    response = client.get(reverse("predictions:batch-detail", args=[batch.pk]))
    assert response.status_code == 200
    return response


@dataclass(frozen=True)
class Served:
    """What `fitting` needs of a version that serves."""

    classifier: str
    version_id: int
    contract: Contract


def served(place: int, name: str, *features: str) -> Any:
    inputs = tuple(Feature(feature, Kind.NUMBER, False, 1.0) for feature in features)
    return Served(name, place, Contract("target", inputs, ("no", "yes"), {}))


@pytest.mark.parametrize(
    ("header", "fits"),
    [("a,b,c", "three"), ("b;a;other", "two"), ("a", None), ("x\ty", "other"), ("", None)],
)
def test_a_file_is_taken_by_the_classifier_with_most_of_its_columns(header: str, fits: str | None) -> None:
    lives = [served(1, "two", "a", "b"), served(2, "three", "a", "b", "c"), served(3, "other", "x", "y")]
    delimiter = next((mark for mark in ";\t" if mark in header), ",")
    row = delimiter.join("1" for _ in header.split(delimiter))
    source = ContentFile(f"{header}\n{row}\n".encode(), name="file.csv")
    assert batches.fitting(source, lives) == fits
    assert source.tell() == 0


def test_without_a_choice_the_columns_of_a_file_choose_the_classifier(
    analyst: Client, version: Version
) -> None:
    trained_version(classifier="other", activate=True)
    assert "The one that the columns fit" in analyst.get(LIST).content.decode()
    shown = analyst.get(upload(analyst, rows(3), model="")["Location"]).content.decode()
    assert "The file fits churn." in shown
    refused = upload(analyst, "no,such,columns\n1,2,3\n", model="")
    first, second = refused.context["form"].errors["file"]
    assert first == "The columns do not fit churn: no column for spend, tenure, member, plan"
    assert second.startswith("They fit no other classifier either.")
    (alone,) = upload(analyst, "no,such,columns\n1,2,3\n", model="other").context["form"].errors["file"]
    assert alone.startswith("The columns do not fit other: ")


def test_an_upload_becomes_a_queued_batch_of_its_uploader(
    analyst: Client, version: Version, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    with django_capture_on_commit_callbacks(execute=True) as sent:
        response = upload(analyst, rows(3))
    batch = Batch.objects.get()
    assert response["Location"] == reverse("predictions:batch-detail", args=[batch.pk])
    assert (batch.state, batch.caller, batch.file_name) == ("queued", "ada", "customers.csv")
    assert str(batch.created_by) == "ada"
    assert len(sent) == 1


def test_of_several_classifiers_the_form_asks_which(analyst: Client, version: Version) -> None:
    trained_version(classifier="other", activate=True)
    assert '<option value="other">other</option>' in analyst.get(LIST).content.decode()
    upload(analyst, rows(1), model="other")
    assert Batch.objects.get().version.classifier.name == "other"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty"),
        (b"\x89PNG\r\n\x1a\n", "PNG picture"),
        (b"spend,tenure\n1,2\n", "no column for member, plan"),
        (b"spend,tenure,member,plan\n1,2,true,\xc3\xb6\n1,2,true,\xff\n1,2,true,\xc3\xb6\n", "not UTF-8"),
    ],
    ids=["0 bytes", "PNG", "missing columns", "damaged UTF-8"],
)
def test_a_file_that_does_not_fit_is_refused_in_the_form(
    content: bytes, words: str, analyst: Client, version: Version
) -> None:
    response = upload(analyst, content)
    if Batch.objects.exists():  # what is wrong with a row is found when the rows are read
        batches.execute_batch(Batch.objects.get())
        assert words in page(analyst, Batch.objects.get()).content.decode()
        return
    assert words in response.context["form"].errors["file"][0]


def test_columns_that_do_not_fit_are_listed_by_line_and_column(analyst: Client, version: Version) -> None:
    shown = upload(analyst, "spend,tenure,<b>\n1,2,3\n").content.decode()
    assert "Fix these rows" in shown
    assert "this feature has no column in the file" in shown
    assert "<b>" not in shown


def test_a_form_without_a_file_says_so(analyst: Client, version: Version) -> None:
    shown = analyst.post(LIST, {"model": "churn"}).content.decode()
    assert "No file was sent" in shown


def test_a_file_over_the_limit_is_refused_with_the_limit(
    analyst: Client, version: Version, settings: LazySettings
) -> None:
    settings.CLFSITE_UPLOAD_BYTES = 100
    response = upload(analyst, rows(50))
    assert "larger than the limit of 100\xa0bytes" in response.context["form"].errors["file"][0]
    assert not Batch.objects.exists()


def test_without_an_active_version_the_page_says_what_to_do(analyst: Client) -> None:
    ClassifierFactory.create(name="unborn", is_default=True)
    shown = analyst.get(LIST).content.decode()
    assert "Train a version and activate it" in shown
    assert (
        "is not one of the available choices" in upload(analyst, rows(1)).context["form"].errors["model"][0]
    )


def test_someone_who_may_only_look_sees_no_form(version: Version) -> None:
    BatchFactory.create(version=version, file_name="seen.csv")
    shown = staff_client().get(LIST).content.decode()
    assert "seen.csv" in shown
    assert "Upload and check" not in shown


def test_the_sample_is_a_file_that_is_accepted(analyst: Client, version: Version) -> None:
    sample = analyst.get(reverse("predictions:batch-sample"), {"model": "churn"})
    assert sample["Content-Disposition"] == 'attachment; filename="churn-sample.csv"'
    upload(analyst, sample.content)
    batch = Batch.objects.get()
    batches.execute_batch(batch)
    start(analyst, batch)
    batches.execute_batch(batch)
    logged = Prediction.objects.get()
    assert logged.features == version.contract.example
    assert not logged.warnings


def test_a_sample_of_no_classifier_is_not_found(analyst: Client, version: Version) -> None:
    assert analyst.get(reverse("predictions:batch-sample"), {"model": "nobody"}).status_code == 404


def test_a_batch_under_way_fetches_its_progress_until_it_is_over(analyst: Client, version: Version) -> None:
    batch = BatchFactory.create(
        version=version, running=True, checked_at=timezone.now(), rows_total=400, rows_done=100, pace=50
    )
    progress = reverse("predictions:batch-progress", args=[batch.pk])
    shown = page(analyst, batch).content.decode()
    assert f'hx-get="{progress}"' in shown
    assert 'hx-trigger="every 1s"' in shown
    piece = analyst.get(progress)
    words = " ".join(piece.content.decode().replace("\u202f", " ").split())
    assert "100 of 400 rows, 50 rows/s, about 6.0 s left" in words
    assert 'value="25"' in piece.content.decode()
    assert "<html" not in piece.content.decode()
    batch.succeed({})
    assert analyst.get(progress)["HX-Refresh"] == "true"


def test_a_finished_batch_shows_rows_and_charts_of_what_was_answered(
    analyst: Client, version: Version
) -> None:
    batch = scored(rows(120))
    response = page(analyst, batch)
    assert "First 100 of 120 scored rows" in response.content.decode()
    assert len(response.context["rows"]) == 100
    mix, histogram = response.context["charts"]
    labels = dict(Prediction.objects.values_list("pk", "label"))
    assert dict(zip(("no", "yes"), mix["figure"]["data"][0]["x"], strict=True)) == {
        label: list(labels.values()).count(label) for label in ("no", "yes")
    }
    expected = [0] * 20
    for probabilities in Prediction.objects.values_list("probabilities", flat=True):
        expected[min(int(probabilities["yes"] * 20 + 1e-9), 19)] += 1
    assert histogram["figure"]["data"][0]["y"] == expected
    assert histogram["title"] == "Probability of yes"


def test_a_failed_batch_shows_every_fault_by_line_and_column(analyst: Client, version: Version) -> None:
    batch = scored(f"{HEADER}\n100,5,true,pro\nmuch,5,true,pro\n100,,true,pro\n")
    shown = page(analyst, batch).content.decode()
    assert "The file was not scored" in shown
    assert "2 of 3 rows were refused" in shown
    assert "expected a number, got &quot;much&quot;" in shown
    assert "Download results" not in shown


def test_the_answers_come_as_a_file_with_a_harmless_name(analyst: Client, version: Version) -> None:
    batch = scored(rows(5), name='a "b";\r\n c.csv')
    response = analyst.get(reverse("predictions:batch-result", args=[batch.pk]))
    assert response.streaming
    assert response["Content-Disposition"] == f'attachment; filename="a-b-c-answers-{batch.pk}.csv"'
    text = response.getvalue().decode()
    answers = list(csv.DictReader(io.StringIO(text)))
    assert [answer["label"] for answer in answers] == list(
        Prediction.objects.order_by("row").values_list("label", flat=True)
    )


def test_the_page_of_a_batch_leads_to_a_file_for_its_true_labels(version: Version) -> None:
    judge = staff_client("predictions.add_batch", "predictions.add_feedback")
    batch = scored(rows(3))
    pattern = rf'href="({reverse("predictions:prediction-export-unjudged")}[^"]*)"'
    (address,) = re.findall(pattern, page(judge, batch).content.decode())
    response = judge.get(html.unescape(address))
    assert response.status_code == 200
    lines = list(csv.DictReader(io.StringIO(response.getvalue().decode())))
    assert [(line["row"], line["truth"]) for line in lines] == [("1", ""), ("2", ""), ("3", "")]


def test_answers_of_an_unfinished_batch_or_a_lost_file_are_not_found(
    analyst: Client, version: Version
) -> None:
    queued = BatchFactory.create(version=version)
    lost = scored(rows(2))
    batches.files().delete(lost.part_name(0))
    for batch in (queued, lost):
        assert analyst.get(reverse("predictions:batch-result", args=[batch.pk])).status_code == 404
    assert "The result file is missing from storage" in page(analyst, lost).content.decode()


def test_more_batches_take_no_more_queries(
    analyst: Client, version: Version, django_assert_max_num_queries: Any
) -> None:
    BatchFactory.create_batch(8, version=version)
    analyst.get(LIST)
    with django_assert_max_num_queries(10):
        assert len(analyst.get(LIST).context["page"]) == 8


def test_the_page_shows_what_is_in_a_file_before_anything_is_scored(
    analyst: Client, version: Version
) -> None:
    batch = checked(analyst, f"left,{HEADER}\nyes,60,5,true,pro\n,60,5,true,ultra\n")
    response = page(analyst, batch)
    shown = " ".join(response.content.decode().split())
    assert "All 2 rows can be scored" in shown
    assert "1 row has a value outside the training data" in shown
    assert "Not used, but kept in the result: left" in shown
    assert [
        (column["feature"].name, column["place"], column["unseen"]) for column in response.context["columns"]
    ] == [
        ("spend", 2, 0),
        ("tenure", 3, 0),
        ("member", 4, 0),
        ("plan", 5, 1),
    ]
    assert response.context["shown"] == [["yes", "60", "5", "true", "pro"], ["", "60", "5", "true", "ultra"]]
    assert not Prediction.objects.exists()
    piece = analyst.get(reverse("predictions:batch-progress", args=[batch.pk]))
    assert piece["HX-Refresh"] == "true"


def test_bad_rows_are_listed_and_the_others_scored_where_that_is_asked_for(
    analyst: Client, version: Version
) -> None:
    batch = checked(analyst, f"{HEADER}\n60,5,true,pro\nmuch,5,true,pro\n60,5,true\n70,6,false,plus\n")
    shown = " ".join(page(analyst, batch).content.decode().split())
    assert "2 of 4 rows cannot be scored" in shown
    assert "Score the valid 2 rows" in shown
    assert "Fix these rows" in shown
    refused = start(analyst, batch, "strict").content.decode()
    assert "Nothing was started: 2 of 4 rows are invalid" in refused
    start(analyst, batch, "lenient")
    batches.execute_batch(batch)
    assert [row.row for row in Prediction.objects.order_by("row")] == [0, 3]
    shown = page(analyst, batch).content.decode()
    assert "Rows not scored" in shown
    errors = analyst.get(reverse("predictions:batch-errors", args=[batch.pk])).getvalue().decode()
    assert [row["line"] for row in csv.DictReader(io.StringIO(errors))] == ["3", "4"]


def test_a_checked_file_can_be_discarded_and_is_started_no_more(analyst: Client, version: Version) -> None:
    batch = checked(analyst, rows(3))
    cancelled = analyst.post(reverse("predictions:batch-cancel", args=[batch.pk]), follow=True)
    assert f"Batch {batch.pk} is cancelled." in cancelled.content.decode()
    assert "only a checked batch can be started" in start(analyst, batch).content.decode()
    again = analyst.post(reverse("predictions:batch-cancel", args=[batch.pk]), follow=True)
    assert "has already ended" in again.content.decode()
    assert not Prediction.objects.exists()


def test_a_failed_batch_is_resumed_by_a_button(analyst: Client, version: Version) -> None:
    batch = BatchFactory.create(
        version=version,
        failed=True,
        checked_at=timezone.now(),
        scoring_at=timezone.now(),
        rows_total=10,
        rows_done=4,
    )
    address = reverse("predictions:batch-resume", args=[batch.pk])
    shown = page(analyst, batch).content.decode()
    assert address in shown
    assert "Stopped after" in shown
    shown = analyst.post(address, follow=True).content.decode()
    assert address not in shown
    batch.refresh_from_db()
    assert batch.state == "queued"
    assert "Nothing was changed: " in analyst.post(address, follow=True).content.decode()
    refused = BatchFactory.create(version=version, failed=True, problems=[{"message": "no column"}])
    assert "/resume" not in page(analyst, refused).content.decode()


def test_a_chart_shows_labels_by_the_feature_that_is_chosen(analyst: Client, version: Version) -> None:
    batch = scored(rows(60))
    response = page(analyst, batch)
    assert response.context["features"] == ["spend", "tenure", "member", "plan"]
    # all rows have the same plan, and spend and tenure tell the label
    assert response.context["feature"] in {"spend", "tenure"}
    address = reverse("predictions:batch-feature", args=[batch.pk])
    piece = analyst.get(address, {"feature": "plan"})
    assert "<html" not in piece.content.decode()
    (group, total, *_) = piece.context["feature_chart"]["table"]["rows"][0]
    assert (group, total) == ("pro", "60")
    unknown = analyst.get(address, {"feature": "nothing"})
    assert unknown.context["feature"] == response.context["feature"]


def test_the_page_of_a_batch_takes_as_many_queries_whatever_its_size(
    analyst: Client, version: Version, django_assert_max_num_queries: Any
) -> None:
    batch = scored(rows(300))
    with django_assert_max_num_queries(10):
        page(analyst, batch)


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        ("file", "abc"),
        ("-rows", "bca"),
        ("", "cab"),
        ("state", "bca"),
        ("-version", "bac"),
        ("checked_at", "cab"),
    ],
)
def test_the_list_of_files_is_sorted_as_asked(sort: str, names: str, analyst: Client) -> None:
    first = VersionFactory.create(classifier__name="churn")
    second = VersionFactory.create(classifier=first.classifier)
    other = VersionFactory.create(classifier__name="a-first")
    BatchFactory.create(file_name="b", version=second, checked=True, rows_total=30)
    BatchFactory.create(file_name="a", version=first, running=True, rows_total=10)
    BatchFactory.create(file_name="c", version=other, rows_total=20)
    assert "".join(item.file_name for item in analyst.get(LIST, {"sort": sort}).context["page"]) == names
