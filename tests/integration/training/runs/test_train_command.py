"""`manage.py train`: a version from a CSV, or one line that says why not."""

import json
import logging
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.support.factories import tiny
from training.ml.judge.names import METRICS
from training.ml.search.recipe import Recipe
from training.ml.serve.artifact import digest
from training.models import Classifier, Dataset, Run, Version

ROOT = Path(__file__).resolve().parents[4]
QUICK = ("--estimator", "logistic_regression", "--folds", "2", "--jobs", "1", "--space", '{"C": [1.0]}')

# the search reports from a thread of its own, which would not see an open transaction
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "churn.csv"
    path.write_bytes(tiny().csv)
    return path


def train(csv: Path, *options: str, target: str = "left", stderr: StringIO | None = None) -> str:
    out = StringIO()
    call_command("train", str(csv), "--target", target, *QUICK, *options, stdout=out, stderr=stderr)
    return out.getvalue()


def train_json(csv: Path, *options: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(train(csv, "--json", *options))
    return result


def test_json_is_one_object_of_the_documented_shape(csv: Path) -> None:
    result = train_json(csv)
    version = Version.objects.get()
    assert (result["run"], result["classifier"], result["version"]) == (version.run.pk, "churn", 1)
    assert set(result["cross_validation"]) == set(result["held_out"]) == set(METRICS)
    assert all(set(item) == {"mean", "std"} for item in result["cross_validation"].values())
    assert result["held_out"] == version.metrics
    assert (result["classes"], result["active"]) == (["no", "yes"], False)
    assert result["params"] == {"C": 1.0}
    assert result["seconds"] > 0


def test_artifact_paths_lead_to_the_artifacts(csv: Path) -> None:
    result = train_json(csv)
    recorded = {part: entry["sha256"] for part, entry in Version.objects.get().artifacts.items()}
    assert {part: digest(Path(path).read_bytes()) for part, path in result["artifacts"].items()} == recorded


def test_output_is_nothing_but_the_object(csv: Path, capfd: pytest.CaptureFixture[str]) -> None:
    call_command("train", str(csv), "--target", "left", *QUICK, "--json")
    out, err = capfd.readouterr()
    assert json.loads(out)["version"] == 1
    assert err == ""


def test_fits_are_not_logged_one_by_one(csv: Path, caplog: pytest.LogCaptureFixture) -> None:
    train(csv, "--estimator", "random_forest", "--space", '{"n_estimators": [5]}')
    assert [record.getMessage() for record in caplog.records] == []


def test_tables_show_every_metric_and_what_comes_next(csv: Path) -> None:
    shown = train(csv)
    assert all(f"{name} " in shown for name in METRICS)
    assert "churn v1 registered" in shown
    assert "add --activate" in shown


def test_tables_show_names_and_classes_as_they_are_written(csv: Path) -> None:
    table = tiny().csv.decode().replace("yes", "[/yes]").replace("spend", "spend [EUR]", 1)
    lines = table.splitlines()
    csv.write_text("\n".join([f"weight [kg],{lines[0]}", *(f"1,{line}" for line in lines[1:])]))
    shown = train(csv)
    assert "left out weight [kg]" in shown
    assert "[/yes]" in shown


def test_activate_lets_the_version_answer_at_once(csv: Path) -> None:
    assert train_json(csv, "--activate")["active"]
    activation = Version.objects.get().activations.get()
    assert activation.actor == "command line"


def test_options_reach_the_recipe(csv: Path) -> None:
    options = (
        "--classifier leavers --search random --scoring f1 --folds 3 --seed 7 --max-fits 9 --max-minutes 2.5"
    )
    train(csv, *options.split(), "--class-weight", "balanced", "--aim", "recall=0.5", "--group", "tenure")
    run = Run.objects.get()
    assert run.classifier.name == "leavers"
    assert run.recipe == Recipe(
        estimator="logistic_regression",
        search="random",
        scoring="f1",
        folds=3,
        seed=7,
        space={"C": [1.0]},
        class_weight="balanced",
        max_fits=9,
        max_minutes=2.5,
        aim={"goal": "recall", "value": 0.5},
        positive="yes",
        group="tenure",
    )
    assert run.corrections.columns == {"tenure": "leave_out"}
    assert run.version.contract.names == ["spend", "member", "plan"]


def test_corrections_reach_the_run_and_its_version(csv: Path) -> None:
    options = [
        "--leave-out",
        "spend",
        "--category",
        "tenure",
        "--category",
        "member",
        "--take-in",
        "id",
        "--strict",
    ]
    lines = csv.read_text().splitlines()
    csv.write_text("\n".join([f"id,{lines[0]}", *(f"{row},{line}" for row, line in enumerate(lines[1:]))]))
    result = train_json(csv, *options)
    columns = {"spend": "leave_out", "id": "take_in", "tenure": "category", "member": "category"}
    assert result["corrections"] == {"columns": columns, "strict": True, "labels": None}
    contract = Version.objects.get().contract
    assert (contract.names, contract.strict) == (["id", "tenure", "member", "plan"], True)
    assert contract.features[2].categories == ("false", "true")
    assert contract.left_out == {"spend": "left out by choice"}


def test_numbers_are_taken_as_numbers_by_choice(csv: Path) -> None:
    train(csv, "--number", "tenure")
    assert Version.objects.get().contract.features[1].kind == "number"


def test_mostly_numeric_codes_are_trained_on_as_a_category(csv: Path) -> None:
    lines = csv.read_text().splitlines()
    codes = ["code", *["100", "200"] * 29, "A12", "100"]
    csv.write_text("\n".join(f"{code},{line}" for code, line in zip(codes, lines, strict=True)))
    with pytest.raises(CommandError, match=r'line 60, column "code".*use the column as a category'):
        train(csv)
    train(csv, "--category", "code")
    assert Version.objects.get().contract.features[0].categories == ("100", "200", "A12")


def test_warnings_stand_on_standard_error_and_in_the_json(csv: Path) -> None:
    lines = csv.read_text().splitlines()
    ids = ["number", *(str(7 * row) for row in range(60))]
    csv.write_text("\n".join(f"{number},{line}" for number, line in zip(ids, lines, strict=True)))
    stderr = StringIO()
    assert "identifier" not in train(csv, stderr=stderr)
    assert stderr.getvalue().startswith("warning: number: all of its 60 whole numbers are different")
    stderr = StringIO()
    train(csv, "--leave-out", "number", stderr=stderr)
    assert stderr.getvalue() == ""
    (warning,) = train_json(csv)["warnings"]
    assert (warning["code"], warning["column"]) == ("identifier", "number")


def test_many_warnings_are_cut_on_the_terminal(csv: Path) -> None:
    lines = csv.read_text().splitlines()
    names = ",".join(f"c{number}" for number in range(25))
    csv.write_text("\n".join([f"{names},{lines[0]}", *(f"{',' * 25}{line}" for line in lines[1:])]))
    stderr = StringIO()
    train(csv, stderr=stderr)
    shown = stderr.getvalue().splitlines()
    assert len(shown) == 21
    assert shown[-1] == "warning: 5 more; use --json or the dataset's page to see all"


def test_same_file_again_is_the_next_version_on_the_same_dataset(csv: Path) -> None:
    first, second = train_json(csv), train_json(csv)
    assert (first["version"], second["version"]) == (1, 2)
    assert first["held_out"] == second["held_out"]
    assert Dataset.objects.count() == 1


REFUSALS: dict[str, tuple[list[str], str]] = {
    "folds": (["--folds", "50"], "Use fewer folds"),
    "scoring": (["--scoring", "beauty"], "unknown scoring 'beauty'"),
    "scoring of regressions": (["--scoring", "r2"], "r2"),
    "seed": (["--seed", "-1"], "seed is -1"),
    "name": (["--classifier", "my model"], "'my model' cannot name"),
    "estimator": (["--estimator", "oracle"], "'oracle'.*choose from"),
    "search": (["--search", "luck"], "'luck'.*choose from"),
    "jobs": (["--jobs", "0"], "--jobs is 0"),
    "space that is no JSON": (["--space", "C=1"], "--space is not JSON"),
    "space that is no object": (["--space", "[1]"], "the space is \\[1\\]"),
    "parameter": (["--space", '{"depth": [1]}'], "no parameter 'depth'"),
    "class weight": (["--class-weight", "heavy"], "class_weight is 'heavy'"),
    "budget of fits": (["--max-fits", "1"], "the budget is 1 fits"),
    "budget of minutes": (["--max-minutes", "0"], "the budget is 0.0 minutes"),
    "unknown column": (["--leave-out", "gone"], 'no column "gone" to correct'),
    "unknown column of codes": (["--category", "gone"], 'no column "gone" to correct'),
    "target as a category": (["--category", "left"], '"left" is the target'),
    "texts as numbers": (["--number", "plan"], 'line 3, column "plan": expected a number'),
    "two choices": (["--number", "plan", "--category", "plan"], '--number and --category both name "plan"'),
    "aim": (["--aim", "glory"], "unknown aim 'glory'"),
    "aim without a value": (["--aim", "precision"], "the aim precision takes a value"),
}


@pytest.mark.parametrize(("options", "message"), REFUSALS.values(), ids=list(REFUSALS))
def test_option_that_cannot_work_is_one_line_and_no_version(
    csv: Path, options: list[str], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(CommandError, match=message) as caught:
        train(csv, *options)
    assert "\n" not in str(caught.value)
    assert caplog.records == []
    assert not Version.objects.exists()


def test_target_that_is_absent_is_named_beside_the_columns(csv: Path) -> None:
    with pytest.raises(CommandError, match='no column "Left" to predict; the table has: spend, tenure'):
        train(csv, target="Left")
    assert not Classifier.objects.exists()


def test_fault_in_the_file_is_named_by_its_line(csv: Path) -> None:
    csv.write_text("spend,left\n1,yes\n2\n")
    with pytest.raises(CommandError, match="line 3"):
        train(csv)


@pytest.mark.parametrize(
    ("name", "why"), [("absent.csv", "No such file"), ("", "Is a directory")], ids=["absent", "folder"]
)
def test_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, why: str) -> None:
    path = tmp_path / name
    with pytest.raises(CommandError, match=f"cannot read {path}: {why}"):
        train(path)


def test_refusal_is_exit_status_1_and_one_line_on_standard_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "train", tmp_path / "absent.csv", "--target", "left"],
        cwd=ROOT,
        env={**os.environ, "CLFSITE_STATE_DIR": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("CommandError: ")
