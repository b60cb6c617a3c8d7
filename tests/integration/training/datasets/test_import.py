"""Uploading a table: stored once, numbered, and nothing of it is left when it is refused."""

import gzip
import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from django.core.files.storage import storages
from django.db import connections
from pytest_django import Settings

from clfsite.core.errors import Conflict, InvalidInput, TooLarge
from tests.integration.conftest import Files
from tests.support.factories import UserFactory, tiny, tiny_csv
from training.datasets.frames import load_table
from training.datasets.service import import_dataset
from training.models import Dataset

BAD_TABLES = {
    "0 bytes": (b"", "the file is empty"),
    "header only": (b"spend,left\n", "a header and no rows"),
    "gzip": (gzip.compress(tiny_csv())[:-9], "gzip archive is damaged"),
    "nul": (b"spend,left\n1,y\0es\n2,no\n", "NUL"),
    "unclosed quote": (b'spend,left\n1,"yes\n2,no\n', "not closed"),
    "short row": (b"spend,left\n1,yes\n2\n", "differ in length"),
    "duplicate header": (
        b"spend,spend,left\n1,2,yes\n2,3,no\n",
        "duplicate name, in columns 1 and 2; rename one",
    ),
    "inf": (b"spend,left\n1,yes\ninf,no\n", "not a finite number"),
    "two notations": (b"spend;left\n1,5;yes\n2.5;no\n1,234;no\n", "in two ways"),
    "target absent": (b"spend,gone\n1,yes\n2,no\n", 'no column "left"'),
    "one class": (b"spend,left\n1,yes\n2,yes\n", "only one class"),
    "no feature": (b"spend,left\n1,yes\n1,no\n", "no column is left as an input"),
}


def upload(content: bytes | None = None, name: str = "churn", target: str = "left") -> Dataset:
    return import_dataset(
        name=name, target=target, source=io.BytesIO(tiny().csv if content is None else content)
    )


@pytest.mark.django_db
def test_table_is_stored_with_its_contract_and_profile(files: Files) -> None:
    user = UserFactory.create()
    dataset = import_dataset(name="churn", target="left", source=io.BytesIO(tiny().csv), user=user)
    dataset.refresh_from_db()
    assert (dataset.number, dataset.rows, dataset.columns) == (1, 60, 5)
    assert dataset.created_by == user
    assert dataset.contract == tiny().contract
    assert [column["name"] for column in dataset.profile] == list(tiny().table.columns)
    assert files("datasets") == [f"{dataset.sha256}.csv"]
    with storages["datasets"].open(dataset.file_name) as file:
        content = file.read()
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (dataset.sha256, dataset.size_bytes)
    pd.testing.assert_frame_equal(load_table(dataset), tiny().table)


@pytest.mark.django_db
def test_table_in_plain_notation_is_stored_as_it_is(files: Files) -> None:
    content = b"spend,plan,left\n1.5,pro,yes\n20,,no\n3.25,basic,yes\n"
    assert upload(content).sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.django_db
def test_same_table_in_another_notation_is_the_same_dataset(files: Files) -> None:
    rows = [("1,5", "pro", "yes"), ("20,0", "", "no"), ("1.003,25", "basic", "yes")]
    german = "spend;plan;left\r\n" + "".join(";".join(row) + "\r\n" for row in rows)
    plain = b"spend,plan,left\n1.5,pro,yes\n20,,no\n1003.25,basic,yes\n"
    assert upload(german.encode("utf-16")) == upload(plain)
    assert len(files("datasets")) == 1


@pytest.mark.django_db
def test_same_bytes_are_the_same_dataset(files: Files) -> None:
    assert upload() == upload()
    assert Dataset.objects.count() == len(files("datasets")) == 1


@pytest.mark.django_db
def test_same_bytes_for_another_purpose_share_the_file(files: Files) -> None:
    datasets = {upload(), upload(target="plan"), upload(name="other")}
    assert len(datasets) == Dataset.objects.count() == 3
    assert len(files("datasets")) == 1


@pytest.mark.django_db
def test_other_bytes_get_the_next_number_of_their_name() -> None:
    upload(name="other")
    assert [upload(tiny_csv(seed=seed)).number for seed in (1, 2, 1, 3)] == [1, 2, 1, 3]


@pytest.mark.django_db
def test_table_one_byte_over_the_limit_is_refused(settings: Settings, files: Files) -> None:
    settings.CLFSITE_UPLOAD_BYTES = len(tiny().csv) - 1
    with pytest.raises(TooLarge, match="CLFSITE_UPLOAD_BYTES"):
        upload()
    assert not Dataset.objects.exists()
    assert files("datasets") == []
    settings.CLFSITE_UPLOAD_BYTES += 1
    assert upload().number == 1


@pytest.mark.django_db
@pytest.mark.parametrize(("content", "message"), BAD_TABLES.values(), ids=list(BAD_TABLES))
def test_bad_table_leaves_neither_row_nor_file(files: Files, content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        upload(content)
    assert not Dataset.objects.exists()
    assert files("datasets") == []


@pytest.mark.django_db
def test_refusal_says_where_in_the_file() -> None:
    with pytest.raises(InvalidInput) as caught:
        upload(b"spend,left\n1,yes\ninf,no\n")
    assert [(fault["line"], fault["column"]) for fault in caught.value.errors] == [(3, "spend")]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name", ["", " ", "a b", "-a", ".a", "../a", "a/b", "a\n", "größe", "a" * 101, "a\0"], ids=repr
)
def test_name_that_makes_a_poor_address_is_refused(name: str, files: Files) -> None:
    with pytest.raises(InvalidInput, match="dataset"):
        upload(name=name)
    assert files("datasets") == []


@pytest.mark.django_db
def test_target_with_a_longer_name_than_its_row_can_keep_is_refused() -> None:
    with pytest.raises(InvalidInput, match="300 characters"):
        upload(b"spend," + b"t" * 300 + b"\n1,yes\n2,no\n1,yes\n", target="t" * 300)


@pytest.mark.django_db
def test_lost_file_comes_back_with_the_same_upload(files: Files) -> None:
    dataset = upload()
    storages["datasets"].delete(dataset.file_name)
    assert upload() == dataset
    assert files("datasets") == [dataset.file_name]


@pytest.mark.django_db
def test_changed_file_is_noticed_and_comes_back_with_the_same_upload(files: Files) -> None:
    dataset = upload()
    with open(storages["datasets"].path(dataset.file_name), "r+b") as file:
        file.write(b"S")
    with pytest.raises(Conflict, match="upload it again"):
        load_table(dataset)
    assert upload() == dataset
    assert len(load_table(dataset)) == dataset.rows
    assert files("datasets") == [dataset.file_name]


@pytest.mark.django_db
def test_stored_table_reads_as_it_was_uploaded() -> None:
    assert load_table(upload()).equals(tiny().table)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("content", "numbers"),
    [(lambda seed: tiny_csv(seed=seed), [1, 2, 3, 4]), (lambda seed: tiny().csv, [1, 1, 1, 1])],
    ids=["different", "the same"],
)
def test_uploads_at_once_are_told_apart(
    content: Callable[[int], bytes], numbers: list[int], files: Files
) -> None:
    def one(seed: int) -> int:
        try:
            return upload(content(seed)).number
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(one, range(4))) == numbers
    assert len(files("datasets")) == len(set(numbers))
