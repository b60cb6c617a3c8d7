"""One rule for choosing, answering and judging: scores a float apart fall on the side that was counted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import f1_score, precision_score, recall_score

from training.ml.judge.aim import Aim
from training.ml.judge.decision import Decision
from training.ml.judge.threshold import choose

AIMS = [
    Aim("f1"),
    Aim("precision", 0.7),
    Aim("recall", 0.95),
    Aim("recall", 0.5),
    Aim("cost", 50),
    Aim("cost", 0.2),
]


@st.composite
def close_scores(draw: st.DrawFn) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Scores of which many are the next float of another, with labels of both classes."""
    starts = draw(st.lists(st.floats(0, 1), min_size=1, max_size=6))
    steps = draw(
        st.lists(st.tuples(st.sampled_from(range(len(starts))), st.integers(0, 3)), min_size=2, max_size=40)
    )
    score = np.array([_after(starts[place], count) for place, count in steps])
    positive = np.array(draw(st.lists(st.booleans(), min_size=len(score), max_size=len(score))))
    positive[:2] = [True, False]
    return positive, score


def _after(value: float, floats: int) -> float:
    for _ in range(floats):
        value = float(np.nextafter(value, 1.0))
    return value


@settings(deadline=None)
@given(close_scores(), st.sampled_from(AIMS), st.sampled_from(["no", "yes"]))
def test_what_was_counted_is_what_is_answered(
    rows: tuple[NDArray[np.bool_], NDArray[np.float64]], aim: Aim, name: str
) -> None:
    positive, score = rows
    threshold, reached = choose(positive, score, aim)
    decision = Decision(("no", "yes"), name, threshold)
    columns = (1 - score, score) if name == "yes" else (score, 1 - score)
    answered = decision.labels(np.column_stack(columns)) == name
    # the documented rule, row by row
    assert answered.tolist() == [item >= threshold for item in score.tolist()]
    measured = {"precision": precision_score, "recall": recall_score}.get(aim.goal)
    if measured and aim.value is not None:
        best = [measured(positive, score >= item, zero_division=0) for item in score]
        assert reached == (max(best) >= aim.value)
        assert measured(positive, answered, zero_division=0) >= min(aim.value, max(best))
    elif aim.goal == "f1":
        best = [f1_score(positive, score >= item, zero_division=0) for item in score]
        assert f1_score(positive, answered, zero_division=0) == pytest.approx(max(best))
    else:
        assert _cost(positive, answered, aim) == min(_cost(positive, score >= item, aim) for item in score)


def _cost(positive: NDArray[np.bool_], answered: NDArray[np.bool_], aim: Aim) -> float:
    return float((aim.value or 0) * (positive & ~answered).sum() + (~positive & answered).sum())


def test_most_probable_of_three_is_answered_however_close() -> None:
    close = np.array([[0.3, 0.35, np.nextafter(0.35, 1)], [0.35, 0.35, 0.3]])
    assert Decision(("a", "b", "c")).labels(close).tolist() == ["c", "a"]
