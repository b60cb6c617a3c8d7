"""Hold-out, search, cross-validation and evaluation, on small tables."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import ensemble

from tests.support import tables
from training.ml.judge.names import METRICS
from training.ml.progress import Phase, Progress
from training.ml.search.recipe import SPACE_SEARCHES, Recipe, RecipeError
from training.ml.search.splitting import split
from training.ml.serve.artifact import digest, dump
from training.ml.tables.contract import labels
from training.ml.tables.inference import infer
from training.ml.trainer import Trained, train

TINY = Recipe(folds=3, space={"n_estimators": [5]})
TEN = {"n_estimators": list(range(1, 11))}
QUICK: dict[str, dict[str, list[Any]]] = {
    "random_forest": {"n_estimators": [5], "max_depth": [None]},
    "extra_trees": {"n_estimators": [5]},
    "hist_gradient_boosting": {"max_iter": [5]},
    "logistic_regression": {"C": [0.5]},
}
KINDS = [tables.numbers, tables.texts, tables.mixed, tables.three_classes, tables.three_classes_with_gaps]


def run(table: pd.DataFrame, recipe: Recipe = TINY, **options: Any) -> Trained:
    return train(table, infer(table, "label"), recipe, **{"jobs": 1, "accelerate": False, **options})


def of_classes(**counts: int) -> pd.Series:
    """A label column with so many rows of each class."""
    return pd.Series([name for name, count in counts.items() for _ in range(count)])


def large(rows: int = 600) -> pd.DataFrame:
    random = np.random.default_rng(5)
    label = random.random(rows) < 0.3
    return pd.DataFrame(
        {"a": label + random.normal(0, 1, rows), "b": random.normal(size=rows), "label": label}
    )


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_every_kind_of_problem_is_learned_and_judged(make: Callable[[], pd.DataFrame]) -> None:
    table = make()
    trained = run(table)
    classes = table["label"].nunique()
    assert trained.held_out.rows == np.ceil(len(table) / 5)
    assert np.array(trained.held_out.confusion).sum() == trained.held_out.rows
    assert trained.held_out.metrics["roc_auc"] > 0.5
    assert set(trained.cross_validation) == set(METRICS)
    assert all(0 <= item["mean"] <= 1 and item["std"] >= 0 for item in trained.cross_validation.values())
    assert trained.threshold == (0.5 if classes == 2 else None)


@pytest.mark.parametrize(("estimator", "space"), QUICK.items(), ids=list(QUICK))
def test_every_estimator_is_searched(estimator: str, space: dict[str, list[Any]]) -> None:
    trained = run(tables.numbers(), replace(TINY, estimator=estimator, space=space))
    assert trained.params == {name: values[0] for name, values in space.items()}


@pytest.mark.parametrize("search", SPACE_SEARCHES)
def test_every_search_tries_its_candidates_and_takes_the_first_of_its_ranking(search: str) -> None:
    recipe = replace(TINY, search=search, space=TEN)
    trained = run(large(), recipe)
    tried = [str(candidate.params) for candidate in trained.candidates]
    assert len(tried) == len(set(tried))
    # optuna gives up on poor settings before they have a score on every fold
    assert 1 <= len(tried) <= recipe.candidates if search == "optuna" else len(tried) == recipe.candidates
    assert [item.rank for item in trained.candidates] == sorted(item.rank for item in trained.candidates)
    assert trained.params == trained.candidates[0].params


@pytest.mark.parametrize("search", SPACE_SEARCHES)
def test_progress_ends_with_all_fits_done_and_the_score_of_the_best_setting(search: str) -> None:
    reports: list[Progress] = []
    recipe = replace(TINY, search=search, space=TEN, scoring="accuracy")
    trained = run(large(), recipe, report=reports.append)
    last = [report for report in reports if report.phase is Phase.SEARCH][-1]
    assert last.done == last.total
    # halving may find that it needs fewer fits than planned, and optuna draws settings again that it has fitted
    may_be_fewer = search in {"halving", "optuna"}
    assert last.done <= recipe.fits if may_be_fewer else last.done == recipe.fits
    # the mean over the folds of the rows left out, of halving's last round: single folds and small rounds score higher
    assert last.best == pytest.approx(trained.candidates[0].mean, abs=1e-12)


def test_halving_gives_every_candidate_a_score_on_a_small_table() -> None:
    trained = run(tables.numbers(), replace(TINY, search="halving", space=TEN))
    assert all(np.isfinite([candidate.mean, candidate.std]).all() for candidate in trained.candidates)


def test_same_seed_gives_the_same_model_and_the_same_figures() -> None:
    first, second = run(tables.mixed()), run(tables.mixed())
    assert digest(dump(first.pipeline)) == digest(dump(second.pipeline))
    assert first.held_out == second.held_out
    assert first.cross_validation == second.cross_validation
    assert first.golden == second.golden


def test_another_seed_holds_out_other_rows() -> None:
    y = tables.numbers()["label"]
    assert not np.array_equal(split(y, TINY)[1], split(y, replace(TINY, seed=1))[1])


def test_processes_side_by_side_change_nothing_but_the_time() -> None:
    reports: list[Progress] = []
    alone = run(tables.numbers())
    together = run(tables.numbers(), jobs=2, report=reports.append)
    assert together.held_out == alone.held_out
    assert together.cross_validation == alone.cross_validation
    searched = [report for report in reports if report.phase is Phase.SEARCH]
    assert searched[-1].done == TINY.fits


def test_held_out_rows_change_nothing_but_the_evaluation() -> None:
    table = tables.mixed()
    contract = infer(table, "label")
    _, held_out = split(table["label"], TINY)
    changed = table.copy()
    for name in contract.names:
        values = table[name].to_numpy(copy=True)
        values[held_out] = values[np.roll(held_out, 1)]
        changed[name] = values
    first, second = train(table, contract, TINY, jobs=1), train(changed, contract, TINY, jobs=1)
    assert digest(dump(first.pipeline)) == digest(dump(second.pipeline))
    assert first.cross_validation == second.cross_validation
    assert [candidate.mean for candidate in first.candidates] == [
        candidate.mean for candidate in second.candidates
    ]
    assert first.held_out.metrics != second.held_out.metrics


def test_held_out_rows_never_reach_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[set[str]] = []

    class Forest(ensemble.RandomForestClassifier):  # type: ignore[misc]  # scikit-learn has no types
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            seen.append({f"{value:.12f}" for value in X[:, 0]})
            return super().fit(X, y, sample_weight)

    monkeypatch.setattr(ensemble, "RandomForestClassifier", Forest)
    table = tables.numbers()
    trained = run(table)
    _, held_out = split(table["label"], TINY)
    X = trained.pipeline.named_steps["preprocessor"].transform(table.drop(columns="label"))
    whole = seen[-1]
    assert len(seen) == TINY.fits + 1
    assert len(whole) == len(table) - len(held_out)
    assert not whole & {f"{value:.12f}" for value in X[held_out, 0]}
    assert all(len(fold) < len(whole) for fold in seen if fold is not whole)


def test_every_class_keeps_its_share_in_the_held_out_rows() -> None:
    y = of_classes(a=100, b=50, c=10)
    fitting, held_out = split(y, TINY)
    assert y.iloc[held_out].value_counts().to_dict() == {"a": 20, "b": 10, "c": 2}
    assert sorted([*fitting, *held_out]) == list(range(160))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"a": 50, "b": 1}, '"b" .1 row.: 5 folds'),
        ({"a": 50, "b": 5}, '"b" .5 rows.: 5 folds'),
        ({"a": 1, "b": 1}, "1 row"),
        ({"a": 30, "b": 30, "c": 2}, '"c" .2 rows.'),
    ],
    ids=str,
)
def test_class_with_too_few_rows_is_named_with_what_to_do(counts: dict[str, int], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        split(of_classes(**counts), Recipe())
    assert "Use fewer folds, add rows, or leave the class out" in str(caught.value)


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), min_size=2, max_size=12), st.integers(2, 8), st.integers(0, 9))
def test_class_has_enough_rows_exactly_where_the_rule_says_so(more: list[int], folds: int, seed: int) -> None:
    y = of_classes(**{f"class {place}": folds + 1 + rows for place, rows in enumerate(more)})
    fitting, held_out = split(y, Recipe(folds=folds, seed=seed))
    assert y.iloc[fitting].value_counts().min() >= folds
    assert y.iloc[held_out].nunique() == len(more)
    assert sorted([*fitting, *held_out]) == list(range(len(y)))
    with pytest.raises(RecipeError, match=rf'"rare" \({folds} rows\).*at least {folds + 1} of every class'):
        split(pd.concat([y, of_classes(rare=folds)]), Recipe(folds=folds, seed=seed))


def test_columns_called_like_arguments_of_pandas_and_scikit_learn_are_learned() -> None:
    table = tables.mixed().assign(more=tables.numbers()["b"])
    table.columns = ["self", "X", "columns", "index", "label", "feature_0"]
    trained = run(table)
    assert {feature["feature"] for feature in trained.held_out.importance} == set(table.columns) - {"label"}
    assert (trained.engine["name"], trained.engine["reason"]) == ("onnxruntime", "")
    record = trained.contract.example
    assert trained.pipeline.predict_proba(trained.contract.frame([record])).shape == (1, 2)


def test_rows_without_a_label_are_left_out() -> None:
    table = tables.numbers().astype({"label": object})
    table.loc[:29, "label"] = np.nan
    assert run(table).held_out.rows == 12


def test_labels_are_texts_whatever_the_file_says() -> None:
    table = tables.numbers().assign(label=lambda item: (item["label"] == "yes").astype(float))
    trained = run(table)
    assert trained.pipeline.classes_.tolist() == ["0", "1"] == sorted(labels(table["label"]).unique())


def test_scorer_of_scikit_learn_ranks_the_candidates() -> None:
    trained = run(large(), replace(TINY, scoring="neg_log_loss", space={"n_estimators": [1, 20]}))
    assert trained.params == {"n_estimators": 20}
    assert trained.candidates[0].mean < 0


@pytest.mark.parametrize("scoring", ["r2", "neg_mean_squared_error", "f1_samples"])
def test_scorer_that_cannot_judge_these_labels_is_refused_by_its_name(scoring: str) -> None:
    with pytest.raises(RecipeError, match=scoring):
        run(tables.numbers(), replace(TINY, scoring=scoring))


def test_text_that_hardly_ever_stands_is_learned_without_it() -> None:
    table = tables.numbers().assign(rare=pd.Series(["x", "y"]))
    assert run(table[["rare", "label"]]).held_out.rows == 18


@pytest.mark.parametrize("family", ["random_forest", "extra_trees"])
def test_without_code_of_its_own_a_grid_of_forests_gives_the_same_model(family: str) -> None:
    table = tables.mixed()
    contract = infer(table, "label")
    space = {"n_estimators": [5, 10], "min_samples_leaf": [1, 4]}
    recipe = Recipe(family, "grid", folds=3, space=space)
    own, plain = (
        train(table, contract, recipe, jobs=1, accelerate=False, compiles=compiles)
        for compiles in (True, False)
    )
    assert [candidate.params for candidate in own.candidates] == [
        candidate.params for candidate in plain.candidates
    ]
    for one, other in zip(own.candidates, plain.candidates, strict=True):
        assert one.mean == pytest.approx(other.mean, abs=1e-12)
    X = contract.prepare(table)
    assert np.array_equal(own.pipeline.predict_proba(X), plain.pipeline.predict_proba(X))
    assert (own.engine["name"], plain.engine["name"]) == ("onnxruntime", "scikit-learn")
    assert plain.engine["reason"] == "compiled models are switched off"
