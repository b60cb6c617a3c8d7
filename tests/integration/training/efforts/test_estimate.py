"""How long a run is said to take."""

from dataclasses import replace
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
from training.ml.search.cost import Size
from training.ml.search.families import AUTO, FAMILIES
from training.ml.search.recipe import Recipe
from training.models import MachineSpeed, Run

QUICK, BALANCED, THOROUGH = (effort.recipe(Recipe()) for effort in EFFORTS.values())

GRID, DRAWN = Recipe(AUTO, "grid"), Recipe(AUTO, "random")


def size(rows: int = 1_000, width: int = 10) -> Size:
    return Size(rows, width, width, 2)


def test_more_effort_takes_longer_up_to_its_minutes() -> None:
    efforts = (QUICK, BALANCED, THOROUGH)
    known = [estimate.seconds(size(), recipe, []) for recipe in efforts]
    assert known == sorted(known)
    many = [estimate.seconds(size(rows=5_000_000), recipe, []) for recipe in efforts]
    assert many == [60.0, 300.0, 1_800.0] == [60 * (recipe.max_minutes or 0) for recipe in efforts]
    assert estimate.seconds(size(rows=100), QUICK, []) < many[0]


def test_more_rows_take_longer() -> None:
    assert estimate.seconds(size(rows=50_000), GRID, []) > 2 * estimate.seconds(size(), GRID, [])


@pytest.mark.parametrize("factor", [0.3, 1, 5])
def test_a_run_like_one_before_takes_as_long_on_the_same_machine(factor: float) -> None:
    real = factor * estimate.seconds(size(), GRID, [])
    before = Past(GRID, size(), real)
    assert estimate.seconds(size(), GRID, [before]) == pytest.approx(real)
    # and others as much longer, until there is one like them
    other = Past(DRAWN, size(), 50)
    assert estimate.seconds(size(), DRAWN, [before]) == pytest.approx(
        factor * estimate.seconds(size(), DRAWN, [])
    )
    assert estimate.seconds(size(), DRAWN, [before, other]) == pytest.approx(50)


def test_a_portfolio_is_not_estimated_from_other_searches_nor_from_runs_that_used_all_their_time() -> None:
    usual = estimate.seconds(size(5_000), BALANCED, [])
    grid = Past(GRID, size(), 0.2 * estimate.seconds(size(), GRID, []))
    cut_off = Past(QUICK, size(5_000), 60.0)
    assert estimate.seconds(size(5_000), BALANCED, [grid]) == usual
    assert estimate.seconds(size(5_000), BALANCED, [cut_off]) == usual
    assert estimate.seconds(size(), GRID, [cut_off]) == estimate.seconds(size(), GRID, [])
    settled = Past(THOROUGH, size(5_000), 100.0)
    assert estimate.seconds(size(5_000), BALANCED, [settled]) == pytest.approx(100.0)


def test_a_slow_machine_and_one_with_many_cores_are_told_apart() -> None:
    usual, slow, wide = (
        estimate.seconds(
            size(20_000, 20), GRID, [], MachineSpeed(cores=cores, factors=dict.fromkeys(FAMILIES, factor))
        )
        for cores, factor in ((2, 1.0), (2, 3.0), (16, 1.0))
    )
    assert slow == pytest.approx(3 * usual)
    assert wide < usual / 3


def test_a_budget_of_minutes_bounds_the_estimate() -> None:
    assert estimate.seconds(size(rows=50_000_000), replace(GRID, max_minutes=5), []) < 60 * 5 * 1.5


@pytest.mark.django_db
def test_the_last_runs_that_succeeded_are_read() -> None:
    now = timezone.now()
    run = RunFactory.create(succeeded=True)
    Run.objects.filter(pk=run.pk).update(started_at=now - timedelta(seconds=30), finished_at=now)
    RunFactory.create(failed=True)
    RunFactory.create(succeeded=True, stop_requested_at=now)
    (past,) = estimate.past()
    assert past.seconds == pytest.approx(30)
    assert (past.size.rows, past.size.inputs) == (run.dataset.rows, len(run.dataset.contract.features))


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
