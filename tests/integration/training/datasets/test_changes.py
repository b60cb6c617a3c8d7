"""What changed between two versions of a dataset: in the service, the API, the portal and the terminal."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from clfsite.core.errors import InvalidInput, NotFound
from clfsite.core.storage import files
from tests.support.factories import ApiKeyFactory
from tests.support.portal import staff_client
from training.datasets.changes import compare_datasets, version_before
from training.datasets.service import import_dataset
from training.models import Dataset

pytestmark = pytest.mark.django_db

ROWS = [
    f"{number % 37}.5,{'basic' if number % 3 else 'pro'},{'yes' if number % 2 else 'no'}"
    for number in range(80)
]
FIRST = "\n".join(["spend,plan,left", *ROWS])
# five rows less, three more, spent far more, and a column more
SECOND = "\n".join(
    [
        "spend,plan,visits,left",
        *(
            f"{row.rpartition(',')[0]},{place % 5},{row.rpartition(',')[2]}"
            for place, row in enumerate(ROWS[5:])
        ),
        *["999.5,pro,1,yes"] * 3,
    ]
)


def stored(content: str, name: str = "shops") -> Dataset:
    return import_dataset(name=name, target="left", source=io.BytesIO(content.encode()))


@pytest.fixture
def versions() -> list[Dataset]:
    return [stored(FIRST), stored(SECOND)]


def test_rows_and_columns_are_compared_by_the_stored_tables(versions: list[Dataset]) -> None:
    changes = compare_datasets(*versions)
    assert (changes.old, changes.new) == (1, 2)
    assert (changes.rows_before, changes.rows_after) == (80, 78)
    assert (changes.rows_added, changes.rows_removed) == (3, 5)
    assert (changes.added, changes.removed, changes.of_other_kind) == (["visits"], [], [])
    back = compare_datasets(versions[1], versions[0])
    assert (back.rows_added, back.rows_removed, back.removed) == (5, 3, ["visits"])


def test_comparison_is_read_from_storage_once(versions: list[Dataset]) -> None:
    first = compare_datasets(*versions)
    files.datasets().delete(versions[0].file_name)
    assert compare_datasets(*versions) == first


def test_earlier_version_is_the_last_one_before_or_chosen(versions: list[Dataset]) -> None:
    third = stored(FIRST.replace("basic", "plus"))
    assert version_before(third) == versions[1]
    assert version_before(third, "1") == versions[0]
    with pytest.raises(NotFound, match="shops v1 is the first version"):
        version_before(versions[0])
    with pytest.raises(NotFound, match="no version 3 of shops before shops v3"):
        version_before(third, "3")
    with pytest.raises(InvalidInput, match="expected the number of an earlier version, got 'one'"):
        version_before(third, "one")


@pytest.fixture
def caller() -> Client:
    ApiKeyFactory.create(secret="clf_reads", scopes=("read",))
    return Client(headers={"authorization": "Bearer clf_reads"})


def test_api_returns_the_changes_since_any_earlier_version(versions: list[Dataset], caller: Client) -> None:
    path = f"/api/datasets/{versions[1].pk}/changes"
    body = caller.get(path).json()
    assert body == json.loads(json.dumps(compare_datasets(*versions).to_dict()))
    assert body["columns"][0] == {
        "name": "visits",
        "change": "added",
        "before": "",
        "after": "integer",
        "shift": None,
    }
    assert caller.get(f"{path}?since=1").json() == body
    assert caller.get(f"{path}?since=2").status_code == 404
    assert caller.get(f"{path}?since=x").status_code == 422
    assert caller.get(f"/api/datasets/{versions[0].pk}/changes").status_code == 404


def test_page_shows_the_changes_in_a_piece_that_loads_by_itself(versions: list[Dataset]) -> None:
    client = staff_client()
    path = reverse("training:dataset-changes", args=[versions[1].pk])
    page = client.get(reverse("training:dataset-detail", args=[versions[1].pk])).content.decode()
    assert f'hx-get="{path}"' in page
    assert "What changed since v1" in page
    piece = " ".join(client.get(path, headers={"HX-Request": "true"}).content.decode().split())
    assert "<html" not in piece
    assert "78, before 80: 3 added, 5 removed" in piece
    assert "Added: visits" in piece
    assert (
        "What changed since"
        not in client.get(reverse("training:dataset-detail", args=[versions[0].pk])).content.decode()
    )


def test_whole_page_compares_with_a_chosen_version(versions: list[Dataset]) -> None:
    client, third = staff_client(), stored(FIRST.replace("basic", "plus"))
    path = reverse("training:dataset-changes", args=[third.pk])
    page = client.get(f"{path}?since=1").content.decode()
    assert "What changed since v1" in page
    assert "share of basic" in page
    assert client.get(f"{path}?since=7").status_code == 404
    files.datasets().delete(versions[1].file_name)
    assert "is missing from storage" in client.get(path).content.decode()


def run(path: Path, *options: str) -> str:
    out = io.StringIO()
    call_command("importdataset", str(path), "--target", "left", *options, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_terminal_prints_the_changes_of_a_new_version(tmp_path: Path) -> None:
    path = tmp_path / "shops.csv"
    path.write_text(FIRST)
    first: dict[str, Any] = json.loads(run(path, "--json"))
    assert first["changes"] is None
    path.write_text(SECOND)
    out = run(path)
    assert "since v1: 3 rows added, 5 rows removed" in out
    assert "columns added: visits" in out
    assert "since v1" not in run(path)
    path.write_text(FIRST.replace("basic", "plus"))
    third = json.loads(run(path, "--json"))
    assert third["changes"]["old"] == 2
    assert third["changes"]["columns"][0]["change"] == "removed"


def test_moved_columns_are_printed_with_what_chance_explains(tmp_path: Path) -> None:
    path = tmp_path / "shops.csv"
    path.write_text(FIRST)
    run(path)
    path.write_text(FIRST.replace(".5,", "9.5,"))
    assert "values moved farther than chance explains: spend (" in run(path)


def test_file_that_was_uploaded_is_compared_like_any(versions: list[Dataset]) -> None:
    client = staff_client("training.add_dataset")
    file = ContentFile(FIRST.replace("pro", "max").encode(), name="shops.csv")
    path = client.post(reverse("training:dataset-list"), {"file": file})["Location"]
    client.post(path, {"name": "shops", "target": "left"})
    newest = Dataset.objects.get(number=3)
    assert (
        "Compare with another version"
        in client.get(reverse("training:dataset-detail", args=[newest.pk])).content.decode()
    )
