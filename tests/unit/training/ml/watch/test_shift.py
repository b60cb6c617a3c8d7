import numpy as np
import pytest
from scipy import stats

from training.ml.watch import shift


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
