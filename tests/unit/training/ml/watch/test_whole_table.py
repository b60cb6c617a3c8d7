import numpy as np
import pandas as pd
import pytest

from training.ml.tables import inference
from training.ml.tables.contract import Contract
from training.ml.watch.whole_table import compare


def draw(rows: int, seed: int, correlation: float = 0.0) -> pd.DataFrame:
    """Columns with the same distributions, whatever the correlation of the first two."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, 4))
    values[:, 1] = correlation * values[:, 0] + np.sqrt(1 - correlation**2) * values[:, 1]
    table = pd.DataFrame(values, columns=["a", "b", "c", "d"])
    table["plan"] = random.choice(np.array(["basic", "plus", None]), rows)
    table["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 300, rows), "D")
    return table


@pytest.fixture(scope="module")
def contract() -> Contract:
    table = draw(500, seed=0)
    return inference.infer(table.assign(left=np.where(table["a"] > 0, "yes", "no")), "left")


def test_rows_of_the_same_table_cannot_be_told_apart(contract: Contract) -> None:
    later = draw(600, seed=2)
    later["day"] += pd.Timedelta(days=900)
    found = compare(contract.prepare(draw(600, seed=1)), contract.prepare(later), contract)
    assert found is not None
    assert not found.differs, "dates are later, and do not count"
    assert found.columns == ()


def test_columns_that_only_move_together_are_found_and_named(contract: Contract) -> None:
    then, now = draw(1_000, seed=1), draw(1_000, seed=2, correlation=0.8)
    found = compare(contract.prepare(then), contract.prepare(now), contract)
    assert found is not None
    assert found.differs
    assert set(found.columns[:2]) == {"a", "b"}


def test_new_categories_are_found(contract: Contract) -> None:
    now = draw(600, seed=2)
    now.loc[::2, "plan"] = "new"
    found = compare(contract.prepare(draw(600, seed=1)), contract.prepare(now), contract)
    assert found is not None
    assert found.columns[0] == "plan"


@pytest.mark.parametrize("is_growing", [False, True], ids=["many cities", "always new numbers"])
def test_rare_values_do_not_tell_the_table(is_growing: bool, contract: Contract) -> None:
    parts = []
    for seed in (1, 2):
        part, random = draw(1_000, seed), np.random.default_rng(seed)
        rare = 1_000 * seed + np.arange(1_000) if is_growing else (3 * random.pareto(0.6, 1_000)).astype(int)
        part["plan"] = pd.Series(rare).astype(str).to_numpy()
        parts.append(contract.prepare(part))
    found = compare(parts[0], parts[1], contract)
    assert found is not None
    assert not found.differs
