"""How long a run is said to take."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.support.factories import DatasetFactory, RunFactory
from tests.support.portal import staff_client
from training.efforts import estimate
from training.efforts.efforts import CUSTOM, EFFORTS, effort_of
from training.efforts.estimate import Past
from training.ml.search.recipe import Recipe
from training.models import Dataset, Run

QUICK, BALANCED, THOROUGH = (effort.recipe(Recipe()) for effort in EFFORTS.values())


def dataset(rows: int = 1_000, columns: int = 10) -> Dataset:
    return Dataset(rows=rows, columns=columns)


def test_more_effort_and_more_rows_take_longer() -> None:
    known = [estimate.seconds(dataset(), recipe, []) for recipe in (QUICK, BALANCED, THOROUGH)]
    assert known == sorted(known)
    assert estimate.seconds(dataset(rows=50_000), QUICK, []) > 2 * known[0]


@pytest.mark.parametrize("factor", [0.3, 1, 5])
def test_a_run_like_one_before_takes_as_long_on_the_same_machine(factor: float) -> None:
    real = factor * estimate.seconds(dataset(), BALANCED, [])
    before = Past(BALANCED, BALANCED.fits, 10_000, real)
    assert estimate.seconds(dataset(), BALANCED, [before]) == pytest.approx(real)
    # and others as much longer, until there is one like them
    other = Past(QUICK, QUICK.fits, 10_000, 50)
    assert estimate.seconds(dataset(), QUICK, [before]) == pytest.approx(
        factor * estimate.seconds(dataset(), QUICK, [])
    )
    assert estimate.seconds(dataset(), QUICK, [before, other]) == pytest.approx(50)


def test_a_budget_of_minutes_bounds_the_estimate() -> None:
    assert estimate.seconds(dataset(rows=50_000_000), QUICK, []) < 60 * 5 * 1.5


@pytest.mark.django_db
def test_the_last_runs_that_succeeded_are_read() -> None:
    now = timezone.now()
    run = RunFactory.create(succeeded=True)
    Run.objects.filter(pk=run.pk).update(started_at=now - timedelta(seconds=30), finished_at=now)
    RunFactory.create(failed=True)
    (past,) = estimate.past()
    assert past.seconds == pytest.approx(30)
    assert past.cells == run.dataset.rows * run.dataset.columns


def test_a_recipe_is_told_as_the_choice_that_it_stands_for() -> None:
    assert [effort_of(recipe) for recipe in (QUICK, BALANCED, THOROUGH)] == list(EFFORTS)
    assert effort_of(Recipe()) == CUSTOM


@pytest.mark.django_db
@pytest.mark.parametrize("name", EFFORTS)
def test_a_plain_choice_starts_its_search_whatever_is_under_advanced(name: str) -> None:
    chosen = DatasetFactory.create()
    client = staff_client("training.add_run")
    page = client.get(reverse("training:run-create"))
    shown = page.content.decode()
    assert "Thorough" in shown
    assert "about " in shown
    sent: dict[str, Any] = {
        "dataset": chosen.pk, "effort": name, "estimator": "logistic_regression", "search": "optuna",
        "scoring": "f1", "folds": 9, "seed": 4, "space": "", "max_minutes": 1,
    }  # fmt: skip
    response = client.post(reverse("training:run-create"), sent)
    run = Run.objects.get()
    assert response["Location"] == reverse("training:run-detail", args=[run.pk])
    assert run.recipe == EFFORTS[name].recipe(Recipe(scoring="f1", seed=4, positive="yes"))
    again = client.get(reverse("training:run-repeat", args=[run.pk]))
    assert again.context["form"].chosen_effort == name
