"""`manage.py importdataset`: a dataset from a CSV, and all there is to know of it before training."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.support.factories import tiny
from training.models import Dataset

pytestmark = pytest.mark.django_db


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """The tiny table with a counter, a number that only names its rows, and a name that looks like markup."""
    lines = tiny().csv.decode().replace("spend", "[/spend]", 1).splitlines()
    path = tmp_path / "churn.csv"
    rows = (f"{row},{7 * row},{line}" for row, line in enumerate(lines[1:]))
    path.write_text("\n".join([f"id,number,{lines[0]}", *rows]))
    return path


def run(csv: Path, *options: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("importdataset", str(csv), "--target", "left", *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def run_json(csv: Path, *options: str) -> dict[str, Any]:
    out, err = run(csv, "--json", *options)
    assert err == ""
    result: dict[str, Any] = json.loads(out)
    return result


def test_dataset_is_shown_with_its_contract_and_what_is_left_out(csv: Path) -> None:
    out, err = run(csv)
    dataset = Dataset.objects.get()
    assert (dataset.name, dataset.number, dataset.rows) == ("churn", 1, 60)
    assert "churn v1: 60 rows, 7 columns" in out
    for words in ("[/spend]", "basic, plus, pro", "true, false", "accepted", "refused", "classes: no, yes"):
        assert words in out
    # a boolean is written as in the values beside it, and a default is not what an absent value means
    assert "form starts" in out
    assert "True" not in out
    assert "False" not in out
    assert "left out id: identifier-like: 60 consecutive whole numbers" in out
    assert "churn v1 is stored" in out
    assert [line.split(":")[1].strip() for line in err.splitlines()] == ["number", "id"]


def test_same_bytes_are_the_same_version_and_it_says_so(csv: Path) -> None:
    run(csv)
    assert "churn v1 already has this table; nothing was added" in run(csv)[0]
    assert Dataset.objects.count() == 1
    csv.write_text(csv.read_text() + "\n99,999,1,1,True,pro,yes")
    assert "churn v2 is stored" in run(csv)[0]


def test_json_is_one_object(csv: Path) -> None:
    result, again = run_json(csv, "--name", "leavers"), run_json(csv, "--name", "leavers")
    dataset = Dataset.objects.get()
    assert (result["id"], result["name"], result["number"], result["new"]) == (dataset.pk, "leavers", 1, True)
    assert again == {**result, "new": False}
    assert result["contract"] == dataset.contract_data
    assert [warning["code"] for warning in result["warnings"]] == ["identifier", "identifier"]


def test_column_of_codes_is_kept_as_it_is_written(csv: Path) -> None:
    (feature,) = (
        feature
        for feature in run_json(csv, "--category", "tenure")["contract"]["features"]
        if feature["name"] == "tenure"
    )
    assert feature["kind"] == "category"


def test_file_that_cannot_be_used_is_one_line_and_no_dataset(csv: Path) -> None:
    csv.write_text("spend,left\n1,yes\n2\n")
    with pytest.raises(CommandError, match="line 3: 1 cells where the header has 2"):
        run(csv)
    with pytest.raises(CommandError, match=r"cannot read .*absent\.csv: No such file"):
        run(csv.with_name("absent.csv"))
    assert not Dataset.objects.exists()
