import numpy as np
import pandas as pd
import pytest
from scipy import stats

from training.ml.tables import inference
from training.ml.watch import shift
from training.ml.watch.bins import Binner
from training.ml.watch.reference import describe


@pytest.mark.parametrize(("then", "now"), [([50, 30, 20], [40, 40, 25]), ([500, 300, 900], [450, 350, 800])])
def test_p_value_is_that_of_scipys_contingency_table(then: list[int], now: list[int]) -> None:
    expected = stats.chi2_contingency([then, now], correction=False).pvalue
    assert shift.distance(then, now).p == pytest.approx(expected, rel=1e-9)


def test_rare_bins_are_tested_exactly() -> None:
    # four unseen values among 500 where 5,000 rows of training had none
    found = shift.distance([5_000, 0], [496, 4])
    assert found.p == pytest.approx(2 * stats.binom.sf(3, 4, 500 / 5_500), rel=1e-9)


def test_shift_is_the_stability_index_without_what_the_sizes_explain() -> None:
    then, now = np.array([400, 300, 300]), np.array([100, 200, 200])
    a, b = then / 1_000, now / 500
    index = ((b - a) * np.log(b / a)).sum() - 2 * (1 / 1_000 + 1 / 500)
    assert shift.distance(then, now).shift == pytest.approx(index)


def test_shift_of_equal_distributions_is_zero_on_average() -> None:
    random, shares = np.random.default_rng(0), np.full(10, 0.1)
    found = [
        shift.distance(random.multinomial(2_000, shares), random.multinomial(500, shares)).shift
        for _ in range(1_000)
    ]
    assert abs(np.mean(found)) < 0.001


@pytest.mark.parametrize("rows", [(60, 500), (500, 500), (5_000, 500), (1_000, 20_000)])
@pytest.mark.parametrize("tail", [0.5, 0.8, 0.99])
def test_p_values_of_equal_distributions_are_not_too_small(rows: tuple[int, int], tail: float) -> None:
    """Also with rare bins: one in a hundred is below 1 %."""
    random = np.random.default_rng(1)
    shares = tail ** np.arange(30)
    shares /= shares.sum()
    tables = (random.multinomial(rows[0], shares, 1_000), random.multinomial(rows[1], shares, 1_000))
    p_values = np.array([shift.distance(then, now).p for then, now in zip(*tables, strict=True)])
    for level in (0.1, 0.01):
        # three standard deviations above the level, and what an approximation may add
        assert (p_values < level).mean() < 1.15 * level + 3 * (level / 1_000) ** 0.5


@pytest.mark.parametrize(
    "counts", [([], []), ([5], [7]), ([0, 0], [3, 4]), ([3, 4], [0, 0]), ([9, 0], [4, 0])]
)
def test_nothing_to_compare_is_no_shift(counts: tuple[list[int], list[int]]) -> None:
    assert shift.distance(*counts) == shift.NONE


def test_discoveries_are_those_of_benjamini_and_hochberg() -> None:
    random = np.random.default_rng(2)
    p_values = np.concatenate([random.random(50), random.random(20) / 2_000])
    adjusted = stats.false_discovery_control(p_values)
    assert shift.discoveries(p_values.tolist()) == (adjusted <= shift.RATE).tolist()
    assert shift.discoveries([]) == []


@pytest.mark.parametrize("rows", [300, 500, 1_000])
def test_many_rows_of_the_same_distribution_as_a_small_table_have_not_moved(rows: int) -> None:
    random = np.random.default_rng(rows)
    names = [f"x{number}" for number in range(20)]
    moved = 0
    for _ in range(12):
        table = pd.DataFrame(random.normal(size=(rows, len(names))), columns=names)
        contract = inference.infer(table.assign(left=np.where(table["x0"] > 0, "yes", "no")), "left")
        answers, confidence = ["yes"] * 50, np.full(50, 0.7)
        reference = describe(table, contract, truth=answers, labels=answers, confidence=confidence)
        logged = {name: random.normal(size=5_000) for name in names}
        places = Binner(reference.bins, contract).places(logged, ["yes"] * 5_000, [0.7] * 5_000)
        counts = np.bincount(places, minlength=reference.bins.size)
        now = [reference.bins.of_column(counts, place) for place in range(len(names))]
        distances = [shift.distance(*pair) for pair in zip(reference.counts, now, strict=True)]
        found = shift.discoveries([item.p for item in distances])
        moved += sum(item.matters and is_found for item, is_found in zip(distances, found, strict=True))
    # one in a hundred tables may be told to have a column that moved
    assert moved <= 1


def test_a_distribution_alone_differs_by_more_than_chance_and_by_what_matters() -> None:
    assert not shift.differs([700, 300], [410, 190])
    assert shift.differs([700, 300], [300, 300])
    assert not shift.differs([700, 300], [200, 200]), "too few rows"
    assert not shift.differs([70_000, 30_000], [68_000, 32_000]), "too small to matter"
