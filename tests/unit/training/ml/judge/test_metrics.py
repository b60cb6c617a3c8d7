"""ROC-AUC by ranks: scikit-learn's values, and what neither can judge."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from training.ml.judge.decision import Decision
from training.ml.judge.metrics import roc_auc


def deciding(classes: tuple[str, ...]) -> Decision:
    return Decision(classes, classes[1] if len(classes) == 2 else None, 0.5)


@pytest.mark.parametrize("decimals", [1, 2, 16], ids=["many ties", "some ties", "hardly any"])
@pytest.mark.parametrize("count", [2, 3, 7])
def test_roc_auc_is_scikit_learns(count: int, decimals: int) -> None:
    random = np.random.default_rng(count)
    classes = tuple(f"class {place}" for place in range(count))
    y = np.array(classes, dtype=object)[random.permutation(np.arange(500) % count)]
    proba = np.round(random.dirichlet(np.ones(count), 500), decimals)
    proba[:, 0] += 1 - proba.sum(axis=1)
    expected = (
        roc_auc_score(y == classes[1], proba[:, 1])
        if count == 2
        else roc_auc_score(y, proba, multi_class="ovr", labels=list(classes))
    )
    assert roc_auc(y, proba, deciding(classes)) == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "c")])
def test_roc_auc_of_rows_that_lack_a_class_is_not_a_number(classes: tuple[str, ...]) -> None:
    y = np.array(["a"] * 5, dtype=object)
    assert math.isnan(roc_auc(y, np.full((5, len(classes)), 1 / len(classes)), deciding(classes)))


def test_probabilities_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        roc_auc(
            np.array(["a", "b"], dtype=object), np.array([[0.5, 0.5], [np.nan, np.nan]]), deciding(("a", "b"))
        )
