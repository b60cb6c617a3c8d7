"""What a search is expected to cost."""

import pytest

from training.ml.search import cost
from training.ml.search.cost import Size, fit_seconds, refit_seconds, search_seconds, width
from training.ml.search.families import AUTO, FAMILIES
from training.ml.search.recipe import Recipe
from training.ml.tables.contract import SELECTED_WORDS, Contract, Feature, Kind

SMALL = Size(1_000, 10, 10, 2)
# seconds of single fits that were measured when the constants were fitted: rows, features, classes, forest of 200 trees
MEASURED = [(400, 5, 2, 0.035), (3_000, 60, 2, 0.66), (20_000, 10, 2, 2.14), (20_000, 40, 5, 7.6)]


@pytest.mark.parametrize(("rows", "features", "classes", "seconds"), MEASURED)
def test_a_forest_costs_as_much_as_measured(rows: int, features: int, classes: int, seconds: float) -> None:
    expected = fit_seconds("random_forest", Size(rows, features, features, classes))
    assert seconds / 1.6 < expected < seconds * 1.6


@pytest.mark.parametrize("family", FAMILIES)
def test_more_of_everything_costs_more(family: str) -> None:
    few = fit_seconds(family, SMALL)
    for more in (Size(9_000, 10, 10, 2), Size(1_000, 99, 99, 2), Size(1_000, 10, 10, 9)):
        assert fit_seconds(family, more) > few
    recipe = Recipe(estimator=family)
    assert search_seconds(recipe, SMALL, {family: 2.0}) > search_seconds(recipe, SMALL, {})
    assert refit_seconds(recipe, SMALL, {family: 2.0}) == pytest.approx(2 * refit_seconds(recipe, SMALL, {}))


def test_forests_share_their_fits_where_a_search_knows_its_settings() -> None:
    grid, alone = (
        search_seconds(Recipe(search=search), Size(20_000, 5, 5, 2), {}) for search in ("grid", "optuna")
    )
    # two groups of six against eight fits
    assert grid < alone / 2
    drawn = Recipe(estimator=AUTO, search="random")
    assert search_seconds(drawn, SMALL, {}) < search_seconds(Recipe(estimator=AUTO), SMALL, {})
    halving = search_seconds(Recipe(estimator=AUTO, search="halving"), SMALL, {})
    assert halving < search_seconds(Recipe(estimator=AUTO, search="optuna", max_fits=None), SMALL, {}) * 5


def test_the_width_counts_what_inputs_become() -> None:
    features = (
        Feature("age", Kind.NUMBER, False, 0.0),
        Feature("plan", Kind.CATEGORY, False, "a", categories=("a", "b", "c")),
        Feature("since", Kind.DATE, False, "2026-01-01"),
        Feature("note", Kind.TEXT, False, ""),
    )
    contract = Contract("y", features, ("no", "yes"), {})
    assert width(contract) == 1 + 4 + cost.DATE_WIDTH + SELECTED_WORDS
    assert Size.of(contract, 50) == Size(50, 4, width(contract), 2)
