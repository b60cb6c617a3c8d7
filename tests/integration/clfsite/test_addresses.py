"""Addresses and fields that ask for more than there is to have: other people, other columns, files of the machine."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from predictions.batches.models import Batch
from tests.support.factories import ApiKeyFactory, PredictionFactory, trained_version
from tests.support.portal import staff_client
from training.models import Dataset

pytestmark = [pytest.mark.django_db, pytest.mark.promise(8)]

ODD_QUERIES = (
    "_connector=OR&caller=nobody",
    "_negated=1",
    "ordering=password",
    "o=password",
    "sort=created_by__password",
    "caller__password=x",
    "version__run__created_by__password__startswith=p",
    "page_size=1000000000",
    "page=-1",
    "q=%00",
)


def reader() -> Client:
    ApiKeyFactory.create(secret="clf_reader", scopes=("read", "train", "predict"))
    return Client(headers={"authorization": "Bearer clf_reader"})


@pytest.mark.case("U08", "U09", "U07")
@pytest.mark.parametrize("query", ODD_QUERIES)
@pytest.mark.parametrize(
    "path", ["/portal/predictions", "/portal/runs", "/portal/keys", "/api/predictions", "/api/runs"]
)
def test_a_query_reaches_no_column_that_is_not_offered(path: str, query: str) -> None:
    PredictionFactory.create(version=trained_version(classifier="churn", activate=True))
    client = reader() if path.startswith("/api") else staff_client("predictions.view_apikey")
    odd = client.get(f"{path}?{query}")
    # a page overlooks what browsers and mail programs add to an address; a call refuses it
    assert odd.status_code == (400 if path.startswith("/api") else 200), odd.content[:300]


@pytest.mark.case("U08", "U09")
@pytest.mark.parametrize("query", ODD_QUERIES)
@pytest.mark.parametrize(
    "model", ["predictions/prediction", "predictions/apikey", "training/run", "auth/user"]
)
def test_the_administration_answers_no_such_query_with_an_error(
    model: str, query: str, client: Client
) -> None:
    client.force_login(User.objects.create_superuser("root"))
    response = client.get(f"/admin/{model}/?{query}")
    # Django's own word for a lookup that is not offered is a way back, or 400
    assert response.status_code in {200, 302, 400}
    assert b"Traceback" not in response.content


@pytest.mark.case("U05")
def test_nobody_opens_another_persons_account_by_its_id() -> None:
    other = User.objects.create_user("other", email="other@example.org", password="correct-horse-battery-9")
    client = staff_client("predictions.add_prediction", "training.view_classifier")
    for name in ("change", "delete", "history", "password_change"):
        path = reverse(f"admin:auth_user_{name}", args=[other.pk])
        assert client.get(path).status_code in {302, 403}, path
        assert client.post(path, {"username": "mine"}).status_code in {302, 403}, path
    shown = client.get(f"{reverse('profile')}?id={other.pk}&user={other.pk}&username=other")
    assert "other@example.org" not in shown.content.decode()
    other.refresh_from_db()
    assert other.username == "other"


@pytest.mark.case("U03")
@pytest.mark.parametrize("value", ["file:///etc/passwd", "http://127.0.0.1/", "/etc/passwd"])
@pytest.mark.parametrize("path", ["/api/datasets", "/api/batches", "/portal/datasets", "/portal/batches"])
def test_the_name_of_a_file_is_no_file(path: str, value: str) -> None:
    trained_version(classifier="churn", activate=True, default=True)
    before = Dataset.objects.count()
    fields: dict[str, Any] = {"file": value}
    fields |= {"name": "mine", "target": "left"} if path.endswith("datasets") else {"model": "churn"}
    if path.startswith("/api"):
        refused = reader().post(path, fields)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "file")
    else:
        refused = staff_client("training.add_dataset", "predictions.add_batch").post(path, fields)
        assert "No file was sent" in refused.content.decode()
    assert b"root:" not in refused.content
    assert (Dataset.objects.count(), Batch.objects.count()) == (before, 0)


@pytest.mark.case("U03", "U26")
@pytest.mark.parametrize(
    "value", ["file:///etc/passwd", "<script>alert(1)</script>", "s3://bucket/x", "a\x00b"]
)
def test_no_text_that_is_stored_is_followed_or_run(value: str) -> None:
    file = SimpleUploadedFile("t.csv", b"a,left\n1,x\n2,y\n")
    client = staff_client("training.add_dataset")
    preview = client.post("/portal/datasets", {"file": file})["Location"]
    response = client.post(preview, {"name": value, "target": value})
    assert response.status_code == 200
    assert "<script>alert" not in response.content.decode()
    assert not Dataset.objects.exists()


@pytest.mark.case("U27")
def test_a_class_called_like_markup_is_text_on_every_page_of_a_dataset() -> None:
    rows = b"a,left\n" + b"1,<script>alert(1)</script>\n2,y\n" * 10
    client = staff_client("training.add_dataset")
    preview = client.post("/portal/datasets", {"file": SimpleUploadedFile("t.csv", rows)})["Location"]
    assert client.post(preview, {"name": "odd", "target": "left"}).status_code == 302
    dataset = Dataset.objects.get()
    assert "<script>alert(1)</script>" in dataset.contract.classes
    shown = client.get(reverse("training:dataset-detail", args=[dataset.pk])).content.decode()
    assert "<script>alert" not in shown
