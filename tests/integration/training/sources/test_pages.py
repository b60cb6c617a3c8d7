"""Datasets from a database in the portal: the form, its errors at their fields, and running a query again."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from clfsite.core.storage.data_sources import DataSource
from tests.support.databases import refusing_server, sqlite_source
from tests.support.factories import DatasetFactory
from tests.support.portal import staff_client
from training.models import Dataset

pytestmark = pytest.mark.django_db

MAY = "training.query_source"
SENT = {
    "source": "shop",
    "sql": "SELECT amount, code, late\r\nFROM orders ORDER BY id",
    "name": "orders",
    "target": "late",
}


@pytest.fixture
def shop(settings: Settings, tmp_path: Path) -> DataSource:
    source = sqlite_source(tmp_path / "secret-place.db")
    settings.CLFSITE_SOURCES = {"shop": source}
    return source


@pytest.fixture
def client(shop: DataSource) -> Client:
    return staff_client(MAY)


def send(client: Client, **values: str) -> Any:
    return client.post(reverse("training:query-create"), {**SENT, **values})


def test_query_in_the_form_becomes_a_dataset_that_shows_its_origin(client: Client) -> None:
    response = send(client, categories="code\r\n")
    dataset = Dataset.objects.get()
    assert response["Location"] == reverse("training:dataset-detail", args=[dataset.pk])
    assert dataset.created_by == User.objects.get(username="ada")
    assert dataset.origin["sql"] == "SELECT amount, code, late\nFROM orders ORDER BY id"
    assert dataset.origin["categories"] == ["code"]
    page = client.get(response["Location"]).content.decode()
    assert "From the database shop" in page
    assert "SELECT amount, code, late\nFROM orders ORDER BY id" in page
    assert "Run the query again" in page
    assert "secret-place" not in page


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"sql": "DELETE FROM orders"}, "sql", "Expected one SELECT statement, got one that begins with"),
        ({"sql": "SELECT lost FROM orders"}, "sql", "The database refuses the query: no such column: lost"),
        ({"sql": ""}, "sql", "This field is required."),
        ({"target": "lost"}, "target", "The query returns no column"),
        ({"name": "my orders"}, "name", "cannot name a dataset"),
        ({"source": "warehouse"}, "source", "Select a valid choice."),
    ],
)  # fmt: skip
def test_error_stands_at_the_field_to_correct(
    client: Client, values: dict[str, str], field: str, message: str
) -> None:
    response = send(client, **values)
    assert response.status_code == 200
    (error,) = response.context["form"].errors[field]
    assert message in error
    assert len(response.context["form"].errors) == 1
    assert not Dataset.objects.exists()


def test_values_that_cannot_be_read_are_listed(client: Client) -> None:
    response = send(client, sql="SELECT (id % 5) || ',5' AS size, amount, late FROM orders")
    assert "Fix these rows" in response.content.decode()


def test_wrong_password_of_a_database_is_on_no_page(settings: Settings) -> None:
    client = staff_client(MAY)
    with refusing_server() as port:
        config = {"HOST": "127.0.0.1", "PORT": port, "USER": "ada-reads", "PASSWORD": "hunter2hunter2"}
        config |= {"NAME": "orders-of-all", "OPTIONS": {"sslmode": "disable"}}
        settings.CLFSITE_SOURCES = {"shop": DataSource("shop", "postgresql", config)}
        response = send(client)
    assert "refuses the login" in response.context["form"].errors["source"][0]
    pages = [
        response,
        client.get(reverse("training:query-create")),
        client.get(reverse("training:dataset-list")),
    ]
    for page in pages:
        text = page.content.decode()
        assert not [
            secret for secret in ("hunter2", "ada-reads", "orders-of-all", str(port)) if secret in text
        ]


def test_query_that_is_run_again_makes_the_next_version_with_its_changes(
    client: Client, shop: DataSource
) -> None:
    send(client)
    first = Dataset.objects.get()
    again = reverse("training:query-again", args=[first.pk])
    page = client.post(again, follow=True).content.decode()
    assert "The rows are those of orders v1. Nothing was added." in page
    with closing(sqlite3.connect(shop.config["NAME"])) as database, database:
        database.execute("DELETE FROM orders WHERE id < 5")
    response = client.post(again)
    second = Dataset.objects.get(number=2)
    assert response["Location"] == reverse("training:dataset-detail", args=[second.pk])
    assert second.origin["sql"] == first.origin["sql"]
    piece = client.get(reverse("training:dataset-changes", args=[second.pk]), headers={"HX-Request": "true"})
    assert "0 added, 5 removed" in " ".join(piece.content.decode().split())


def test_query_that_fails_again_changes_nothing_and_says_why(
    client: Client, shop: DataSource, settings: Settings
) -> None:
    send(client)
    dataset = Dataset.objects.get()
    again = reverse("training:query-again", args=[dataset.pk])
    with closing(sqlite3.connect(shop.config["NAME"])) as database, database:
        database.execute("DROP TABLE orders")
    assert "no such table: orders" in client.post(again, follow=True).content.decode()
    settings.CLFSITE_SOURCES = {}
    page = client.post(again, follow=True).content.decode()
    assert "there is no database" in page
    assert "Run the query again" not in page
    uploaded = DatasetFactory.create()
    page = client.post(reverse("training:query-again", args=[uploaded.pk]), follow=True).content.decode()
    assert "does not come from a database" in page


def test_same_form_asks_the_database_once(client: Client, shop: DataSource) -> None:
    token = {"form_token": "6f1c9a52-0a53-4e0f-9f0c-5a1d3f6b7c8d"}
    first = send(client, **token)
    Path(shop.config["NAME"]).unlink()
    assert send(client, **token)["Location"] == first["Location"]


def test_form_is_on_the_page_of_datasets_for_those_who_may_use_it(
    shop: DataSource, settings: Settings
) -> None:
    path, address = reverse("training:dataset-list"), reverse("training:query-create")
    assert address in staff_client(MAY, username="ida").get(path).content.decode()
    trainer = staff_client("training.add_dataset", username="tom")
    assert address not in trainer.get(path).content.decode()
    settings.CLFSITE_SOURCES = {}
    importer = staff_client(MAY, username="eve")
    assert address not in importer.get(path).content.decode()
    assert "such as CLFSITE_SOURCE_WAREHOUSE" in importer.get(address).content.decode()


def test_dataset_without_an_origin_shows_none(client: Client) -> None:
    dataset = DatasetFactory.create()
    page = client.get(reverse("training:dataset-detail", args=[dataset.pk])).content.decode()
    assert "From the database" not in page
