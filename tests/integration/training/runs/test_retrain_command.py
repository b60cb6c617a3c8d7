"""`manage.py retrain`: the next version by the recipe of an earlier one, with the output of `train`."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.integration.training.runs.test_train_command import QUICK
from tests.support.factories import ActivationFactory, ClassifierFactory, VersionFactory, tiny_csv
from training.datasets.service import import_dataset
from training.models import Dataset, Run, Version

# the search reports from a thread of its own, which would not see an open transaction
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def first(tmp_path: Path) -> Version:
    """`churn v1`, trained on `churn v1`; `churn v2` is a newer table."""
    path = tmp_path / "churn.csv"
    path.write_bytes(tiny_csv())
    call_command("train", str(path), "--target", "left", *QUICK, "--seed", "7", "--json", stdout=StringIO())
    path.write_bytes(tiny_csv(seed=1))
    with path.open("rb") as file:
        import_dataset(name="churn", target="left", source=file)
    return Version.objects.get()


def retrain(*options: str) -> str:
    out = StringIO()
    call_command("retrain", "churn", "--jobs", "1", *options, stdout=out)
    return out.getvalue()


def retrain_json(*options: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(retrain("--json", *options))
    return result


def test_recipe_is_tried_on_the_newest_dataset_and_reported_as_train_does(first: Version) -> None:
    result = retrain_json()
    run = Run.objects.get(pk=result["run"])
    assert (result["classifier"], result["version"], result["active"]) == ("churn", 2, False)
    assert (run.recipe, run.dataset.number) == (first.run.recipe, 2)
    assert result["held_out"] == Version.objects.get(number=2).metrics
    assert set(result["artifacts"]) == {"pipeline", "model", "preprocessor"}


def test_tables_are_those_of_train(first: Version) -> None:
    shown = retrain("--activate")
    assert "cross-validation" in shown
    assert "churn v2 registered" in shown
    assert "active now" in shown


def test_same_dataset_gives_the_same_figures(first: Version) -> None:
    result = retrain_json("--dataset-version", "1")
    assert Run.objects.get(pk=result["run"]).dataset == first.run.dataset
    assert result["held_out"] == first.metrics


def test_recipe_is_that_of_the_active_version_unless_another_is_named(first: Version) -> None:
    newer = VersionFactory.create(classifier=first.classifier, run__dataset=first.run.dataset)
    ActivationFactory.create(version=first)
    assert Run.objects.get(pk=retrain_json()["run"]).recipe == first.run.recipe
    assert Run.objects.get(pk=retrain_json("--version", "2")["run"]).recipe == replace(
        newer.run.recipe, positive="yes"
    )


REFUSALS: dict[str, tuple[list[str], str]] = {
    "version": (["--version", "5"], "there is no version 5 of churn; available: 1"),
    "dataset": (["--dataset-version", "9"], "no version 9 of the dataset churn; available: 2, 1"),
    "jobs": (["--jobs", "0"], "--jobs is 0"),
}


@pytest.mark.parametrize(("options", "message"), REFUSALS.values(), ids=list(REFUSALS))
def test_what_there_is_not_is_one_line_and_no_run(first: Version, options: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message) as caught:
        retrain(*options)
    assert "\n" not in str(caught.value)
    assert Run.objects.count() == 1


def test_dataset_with_another_target_is_refused(first: Version, tmp_path: Path) -> None:
    with (tmp_path / "churn.csv").open("rb") as file:
        import_dataset(name="churn", target="plan", source=file)
    with pytest.raises(CommandError, match="predicts left"):
        retrain("--dataset-version", "3")


def test_classifier_that_there_is_not_is_named_beside_those_there_are() -> None:
    with pytest.raises(CommandError, match="no classifier 'churn'; available: none"):
        retrain()
    ClassifierFactory.create(name="fraud")
    with pytest.raises(CommandError, match="no classifier 'churn'; available: fraud"):
        retrain()


def test_classifier_without_a_version_has_no_recipe() -> None:
    ClassifierFactory.create(name="churn")
    with pytest.raises(CommandError, match="churn has no version yet"):
        retrain()
    assert not Dataset.objects.exists()
