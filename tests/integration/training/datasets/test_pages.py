"""Datasets in the portal: upload, contract, profile."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.integration.conftest import Files
from tests.support.factories import DatasetFactory, RunFactory, VersionFactory, tiny_csv
from tests.support.portal import staff_client
from training.datasets.uploads import KEPT
from training.models import Dataset, Upload

LIST = reverse("training:dataset-list")


@pytest.fixture
def trainer(db: None) -> Client:
    return staff_client("training.add_dataset", "training.add_run")


def send(client: Client, content: bytes, name: str = "table.csv") -> Any:
    """Upload a file; the answer is the page that shows how it is read, or the list with what is wrong."""
    return client.post(LIST, {"file": SimpleUploadedFile(name, content)}, follow=True)


def upload(client: Client, content: bytes, **data: str) -> Any:
    """Upload a file and save it as a dataset."""
    response = send(client, content)
    if not response.redirect_chain:
        return response
    address = response.redirect_chain[-1][0]
    return client.post(address, {"name": "customers", "target": "left", **data}, follow=True)


def test_a_table_is_stored_and_its_page_follows(trainer: Client) -> None:
    response = upload(trainer, tiny_csv())
    dataset = Dataset.objects.get()
    assert response.redirect_chain == [(reverse("training:dataset-detail", args=[dataset.pk]), 302)]
    assert (dataset.name, dataset.target, dataset.rows) == ("customers", "left", 60)
    assert str(dataset.created_by) == "ada"
    shown = response.content.decode()
    assert "customers v1 was saved" in shown
    assert f'href="{reverse("training:run-create")}?dataset={dataset.pk}"' in shown


def test_a_table_is_saved_and_its_run_asked_for_in_one_step(trainer: Client) -> None:
    response = upload(trainer, tiny_csv(), train="")
    dataset = Dataset.objects.get()
    assert response.redirect_chain[-1][0] == f"{reverse('training:run-create')}?dataset={dataset.pk}"
    assert response.context["form"].initial["dataset"] == str(dataset.pk)


def test_the_same_table_again_is_not_stored_twice(trainer: Client) -> None:
    upload(trainer, tiny_csv())
    assert "This table already exists as customers v1" in upload(trainer, tiny_csv()).content.decode()
    assert Dataset.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "changes", "words"),
    [
        (b"", {}, "The file is empty"),
        (b"PK\x03\x04rest", {}, "workbook cannot"),
        (b"a,left\n1,yes\n2,yes\n", {}, "only one class"),
        (tiny_csv(), {"target": "lefd"}, "Select a valid choice"),
        (tiny_csv(), {"name": "../etc"}, "cannot name a dataset"),
    ],
    ids=["0 bytes", "xlsx", "one class", "no such target", "hostile name"],
)
def test_a_table_that_cannot_be_used_is_refused_in_the_form(
    content: bytes, changes: dict[str, str], words: str, trainer: Client
) -> None:
    form = upload(trainer, content, **changes).context["form"]
    assert words in str(form.errors)
    assert not Dataset.objects.exists()


def test_faults_are_listed_by_line_and_column(trainer: Client) -> None:
    rows = "".join(f"{number}.5,{'yes' if number % 2 else 'no'}\n" for number in range(30))
    shown = upload(trainer, f"price,left\n{rows}l5,no\n".encode()).content.decode()
    assert "Fix these rows" in shown
    assert "expected a number like the other values" in shown
    assert '<td data-label="Column">price</td>' in shown


def test_all_that_is_wrong_is_said_at_once_and_the_file_is_not_asked_for_again(trainer: Client) -> None:
    response = upload(trainer, tiny_csv(), name="a b", target="", categories="plan\nzip\ncode", delimiter="x")
    errors = response.context["form"].errors
    assert list(errors) == ["name", "target", "categories"]
    assert "No such column: zip, code. The table has: " in str(errors["categories"])
    assert list(response.context["options_form"].errors) == ["delimiter"]
    address = reverse("training:upload-detail", args=[Upload.objects.get().pk])
    assert trainer.post(address, {"name": "customers", "target": "left"}).status_code == 302
    assert Dataset.objects.get().rows == 60
    assert not Upload.objects.exists()
    assert trainer.get(address).status_code == 404


def test_a_file_is_shown_as_it_is_read_before_it_is_saved(trainer: Client) -> None:
    content = "Report\n\nincome;city;churned\n" + "1.234,50;Köln;no\n2,5;Oslo;yes\n" * 6
    response = send(trainer, content.encode("cp1252"), "my customers 2026.csv")
    shown, form = response.content.decode(), response.context["form"]
    for words in (
        "The encoding is Windows-1252, as recognised",
        "Above the header left out: Report",
        "read as numbers with a decimal comma, with a point between thousands",
        "1.234,50",
        "Köln",
    ):
        assert words in shown
    assert (form["name"].value(), form["target"].value()) == ("my-customers-2026", "churned")
    assert [label for label, _ in form.fields["positive"].choices] == ["", "no", "yes"]
    assert not Dataset.objects.exists()


def test_the_classes_to_choose_from_are_those_of_the_target(trainer: Client) -> None:
    address = send(trainer, b"left,vip,n\nyes,TRUE,1\nno,FALSE,2\n").redirect_chain[-1][0]
    form = trainer.get(address, {"target": "vip", "name": "mine"}).context["form"]
    assert [label for label, _ in form.fields["positive"].choices] == ["", "FALSE", "TRUE"]
    assert form["name"].value() == "mine"


def test_the_preview_reads_a_file_as_it_will_be_saved(trainer: Client) -> None:
    content = "price;left\n" + "1,234;yes\n2,345;no\n" * 10
    response = send(trainer, content.encode("utf-16"))
    assert "read as numbers with a decimal comma" in response.content.decode()
    upload(trainer, content.encode("utf-16"))
    assert Dataset.objects.get().contract.features[0].high == 2.345


def test_a_file_is_read_again_as_it_is_said(trainer: Client) -> None:
    address = send(trainer, b"when,n,y\n1/2/2026,1,a\n3/4/2026,-9,b\n" * 1).redirect_chain[-1][0]
    response = trainer.get(address, {"dates": "when=m/d/y", "missing": "-9", "target": "n"})
    assert [column.kind for column in response.context["preview"].columns][1] == "number"
    assert "dates, month/day/year" in response.content.decode()
    assert response.context["form"]["target"].value() == "n"
    wrong = trainer.get(address, {"dates": "then=m/d/y"}).content.decode()
    assert "There is no column &quot;then&quot; to read as a date" in wrong


def test_the_chosen_positive_class_is_that_of_the_dataset(trainer: Client) -> None:
    upload(trainer, tiny_csv(), positive="no")
    assert Dataset.objects.get().contract.positive == "no"


def test_an_upload_belongs_to_the_person_and_is_deleted_after_a_day(trainer: Client, files: Files) -> None:
    address = send(trainer, tiny_csv()).redirect_chain[-1][0]
    other = staff_client("training.add_dataset", username="bob")
    assert other.get(address).status_code == 404
    Upload.objects.update(created_at=timezone.now() - KEPT - timedelta(minutes=1))
    send(other, tiny_csv())
    assert trainer.get(address).status_code == 404
    assert files("datasets") == [Upload.objects.get().file_name]


def test_a_table_over_the_limit_is_refused_with_the_limit(trainer: Client, settings: LazySettings) -> None:
    settings.CLFSITE_UPLOAD_BYTES = 200
    form = upload(trainer, tiny_csv()).context["form"]
    assert "larger than the limit of 200\xa0bytes" in form.errors["file"][0]


def test_the_contract_stands_with_what_was_left_out_and_why(trainer: Client) -> None:
    rows = "".join(
        f"{number},{number * 1.5},{'red' if number % 3 else ''},same,{'<b>' if number % 2 else 'no'}\n"
        for number in range(40)
    )
    shown = upload(trainer, f"id,size,colour,constant,left\n{rows}".encode()).content.decode()
    assert "0 to 58.5" in shown
    assert "Identifier-like: 40 consecutive whole numbers" in shown
    assert "Every value is the same" in shown
    assert "&lt;b&gt;" in shown
    assert "<b>," not in shown
    assert "(35.0\u202f%)" in shown


def test_every_column_has_its_profile(trainer: Client) -> None:
    dataset = DatasetFactory.create()
    response = trainer.get(reverse("training:dataset-detail", args=[dataset.pk]))
    columns = {column["name"]: column for column in response.context["columns"]}
    assert list(columns) == ["spend", "tenure", "member", "plan", "left"]
    assert len(columns["spend"]["bars"]) == 20
    assert sum(share for _, share in columns["plan"]["top"]) == pytest.approx(1)
    assert 'class="spark"' in response.content.decode()


def test_truth_values_are_written_as_in_the_form_also_those_of_earlier_releases(trainer: Client) -> None:
    dataset = DatasetFactory.create()
    (member,) = (column for column in dataset.profile if column["name"] == "member")
    assert {value for value, _ in member["top"]} == {"true", "false"}
    member["top"] = [[value.capitalize(), count] for value, count in member["top"]]
    dataset.save()
    shown = trainer.get(reverse("training:dataset-detail", args=[dataset.pk])).content.decode()
    assert "true <span" in shown
    assert "True" not in shown


def test_columns_are_told_by_class_but_for_the_target(trainer: Client) -> None:
    dataset = DatasetFactory.create()
    response = trainer.get(reverse("training:dataset-detail", args=[dataset.pk]))
    columns = {column["name"]: column for column in response.context["columns"]}
    assert [class_of["label"] for class_of in columns["spend"]["classes"]] == ["no", "yes"]
    (no, yes) = columns["plan"]["classes"]
    assert len(no["top"]) == len(yes["top"]) == 2
    assert max(bar["height"] for item in (no, yes) for bar in item["bars"]) == 100
    assert columns["left"]["classes"] == []
    assert f"median {columns['spend']['classes'][0]['median']}" in response.content.decode()


def test_an_early_dataset_without_figures_by_class_is_shown(trainer: Client) -> None:
    dataset = DatasetFactory.create()
    early = [{"name": column["name"], "missing": 0, "distinct": 2, "top": []} for column in dataset.profile]
    Dataset.objects.filter(pk=dataset.pk).update(profile=early, warnings=[])
    shown = trainer.get(reverse("training:dataset-detail", args=[dataset.pk])).content.decode()
    assert "spend" in shown
    assert "Before you train" not in shown


def test_what_stands_out_is_told_before_the_columns(trainer: Client) -> None:
    rows = "".join(f"{7 * number},{number % 5},{'yes' if number % 3 else 'no'}\n" for number in range(40))
    shown = upload(trainer, f"<b>number,size,left\n{rows}".encode()).content.decode()
    assert shown.index("Before you train") < shown.index("Columns and contract")
    assert "All of its 40 whole numbers are different, as in an identifier." in shown
    assert "<b>number" not in shown


def test_a_wide_table_is_shown_in_pages(trainer: Client) -> None:
    names = [f"c{number}" for number in range(120)]
    rows = "".join(
        f"{','.join(str((number * place) % 7) for place in range(120))},{'yes' if number % 3 else 'no'}\n"
        for number in range(20)
    )
    response = upload(trainer, f"{','.join(names)},left\n{rows}".encode())
    assert len(response.context["columns"]) == 50
    path = reverse("training:dataset-detail", args=[Dataset.objects.get().pk])
    assert [column["name"] for column in trainer.get(path, {"page": 3}).context["columns"]][-1] == "left"


def test_columns_of_codes_are_named_with_the_upload(trainer: Client) -> None:
    content = b"code,zip,left\n" + b"100,01234,yes\n200,99999,no\n" * 20 + b"A12,01234,yes\n"
    refused = upload(trainer, content).content.decode()
    assert "or use the column as a category if it holds codes" in refused
    upload(trainer, content, categories="code\r\nzip\r\n\r\n")
    features = Dataset.objects.get().contract.features
    assert [feature.categories for feature in features] == [("100", "200", "A12"), ("01234", "99999")]


def test_someone_who_may_only_look_sees_neither_form_nor_button(db: None) -> None:
    dataset = DatasetFactory.create()
    viewer = staff_client()
    assert "Upload a dataset" not in viewer.get(LIST).content.decode()
    detail = viewer.get(reverse("training:dataset-detail", args=[dataset.pk])).content.decode()
    assert "Train on this dataset" not in detail


def test_an_empty_list_says_what_a_table_is(trainer: Client) -> None:
    assert "No datasets yet" in trainer.get(LIST).content.decode()


def test_the_list_is_paged_and_a_page_beyond_the_end_is_the_last(trainer: Client) -> None:
    DatasetFactory.create_batch(30)
    assert len(trainer.get(LIST).context["page"]) == 25
    assert len(trainer.get(LIST, {"page": "99"}).context["page"]) == 5
    assert trainer.get(LIST, {"page": "x"}).context["page"].number == 1


@pytest.mark.parametrize(
    ("sort", "names"),
    [("name", "abc"), ("-rows", "bca"), ("by", "bac"), ("", "cab"), ("sha256", "cab")],
)
def test_the_list_is_sorted_as_asked(sort: str, names: str, trainer: Client) -> None:
    for name, rows, by in (("b", 30, "bea"), ("a", 10, "bob"), ("c", 20, "eve")):
        DatasetFactory.create(name=name, rows=rows, created_by=User.objects.create(username=by))
    assert "".join(item.name for item in trainer.get(LIST, {"sort": sort}).context["page"]) == names


def test_a_table_shows_those_of_its_name_and_what_was_trained_on_it(
    trainer: Client, django_assert_max_num_queries: Any
) -> None:
    dataset = DatasetFactory.create(name="customers")
    newer = DatasetFactory.create(name="customers", number=2, sha256="1" * 64, file=False)
    path = reverse("training:dataset-detail", args=[dataset.pk])
    assert "No runs yet" in trainer.get(path).content.decode()
    version = VersionFactory.create(run__dataset=dataset)
    RunFactory.create_batch(3, dataset=dataset, failed=True)
    with django_assert_max_num_queries(9):
        response = trainer.get(path)
    assert list(response.context["same_name"]) == [newer, dataset]
    shown = response.content.decode()
    assert reverse("training:dataset-detail", args=[newer.pk]) in shown
    assert reverse("training:version-detail", args=[version.pk]) in shown


def test_more_datasets_take_no_more_queries(trainer: Client, django_assert_max_num_queries: Any) -> None:
    DatasetFactory.create_batch(8)
    with django_assert_max_num_queries(8):
        assert len(trainer.get(LIST).context["page"]) == 8


@pytest.mark.parametrize("sort", ["name", "-distinct", "missing", "nothing"])
def test_the_columns_of_a_table_are_sorted_as_asked(sort: str, trainer: Client) -> None:
    dataset = DatasetFactory.create()
    path = reverse("training:dataset-detail", args=[dataset.pk])
    keys = {"name": "name", "-distinct": "distinct", "missing": "missing"}
    key = keys.get(sort)
    columns = [item["name"] for item in dataset.profile]
    expected = (
        [item["name"] for item in sorted(dataset.profile, key=lambda item: item[key], reverse=sort[0] == "-")]
        if key
        else columns
    )
    assert [column["name"] for column in trainer.get(path, {"sort": sort}).context["columns"]] == expected
