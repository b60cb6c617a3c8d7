"""The search `portfolio`: its settings, its clock, and how it ends."""

from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from tests.support import tables
from training.ml.search.auto import race
from training.ml.search.auto.pace import CAUTION, Pace
from training.ml.search.auto.portfolio import PORTFOLIO, RANGES, Setting, in_ranges, settings
from training.ml.search.auto.race import Contender
from training.ml.search.auto.timed import SHOWN, Search, _shown
from training.ml.search.auto.tuning import PATIENCE, REFUSED, Step, Tuning
from training.ml.search.cost import Size
from training.ml.search.estimators import check_parameter, fit_mix
from training.ml.search.families import AUTO, BOOSTING, CATBOOST, FAMILIES, PLAIN_BOOSTING, families_of
from training.ml.search.recipe import PORTFOLIO_MINUTES, Recipe, RecipeError
from training.ml.search.searches import Candidate
from training.ml.serve.artifact import digest, dump, libraries, load
from training.ml.tables.inference import infer
from training.ml.trainer import Trained, _Part, _task, train

SMALL = Setting(BOOSTING, {"n_estimators": 50, "num_leaves": 4})


def run(table: pd.DataFrame, recipe: Recipe, **options: Any) -> Trained:
    return train(table, infer(table, "label"), recipe, jobs=2, accelerate=False, **options)


def test_auto_searches_its_portfolio_unless_it_has_a_space() -> None:
    assert Recipe("auto").search == "portfolio"
    assert Recipe("auto").budget_minutes == PORTFOLIO_MINUTES
    assert Recipe("auto", space={"logistic_regression": {"C": [1.0]}}).search == "grid"
    assert Recipe().search == "grid"
    with pytest.raises(RecipeError, match="use it with the estimator 'auto' and without a space"):
        Recipe("random_forest", "portfolio").check()


@pytest.mark.parametrize("setting", PORTFOLIO, ids=str)
def test_every_setting_of_the_portfolio_is_one_that_its_family_takes(setting: Setting) -> None:
    for name, value in setting.params.items():
        check_parameter(setting.family, name, value)
    assert len(in_ranges(setting)) == len(RANGES[setting.family])


def test_without_lightgbm_the_boosting_of_scikit_learn_takes_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(FAMILIES[BOOSTING].__dict__, "is_installed", False)
    plain = settings()
    assert len(plain) == len(PORTFOLIO)
    assert {setting.family for setting in plain} == {setting.family for setting in PORTFOLIO} - {BOOSTING} | {
        PLAIN_BOOSTING
    }
    for setting in plain:
        for name, value in setting.params.items():
            check_parameter(setting.family, name, value)


def test_without_catboost_it_is_left_out_not_offered_and_refused_when_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(
        FAMILIES, CATBOOST, replace(FAMILIES[CATBOOST], estimator="none_such.Boost", extra="none_such")
    )
    assert settings() == [setting for setting in PORTFOLIO if setting.family != CATBOOST]
    assert CATBOOST not in families_of(AUTO)
    assert not FAMILIES[CATBOOST].is_offered
    with pytest.raises(RecipeError, match="CatBoost is not installed here; choose another estimator"):
        Recipe(estimator=CATBOOST).check()


def test_fits_are_predicted_from_those_before() -> None:
    pace = Pace(Size(1_000, 10, 10, 2))
    unknown = pace.predict(SMALL, 800)
    assert unknown == CAUTION * pace.expected(SMALL, 800)
    pace.learn(SMALL, 800, 3.0)
    assert pace.predict(SMALL, 800) == pytest.approx(3.0)
    double = Setting(BOOSTING, {**SMALL.params, "n_estimators": 100})
    assert pace.predict(double, 800) == pytest.approx(6.0)
    # what a fit on many rows took says more than one on few
    pace.learn(SMALL, 80_000, 5.0)
    assert pace.predict(SMALL, 80_000) == pytest.approx(5.0)


def test_a_search_around_a_family_ends_when_nothing_better_comes_or_there_is_no_time() -> None:
    known = [Contender(Setting("logistic_regression", {"C": 1.0}), {(0, 0): 0.8})]
    tuning = Tuning("logistic_regression", known, Step(0, [0]), seed=0)
    for _ in range(PATIENCE):
        assert tuning.has_hope
        (low, high) = (RANGES["logistic_regression"]["C"].low, RANGES["logistic_regression"]["C"].high)
        assert low <= tuning.ask().params["C"] <= high
        tuning.tell(0.7, is_progress=False)
    assert not tuning.has_hope
    for _ in range(REFUSED):
        assert tuning.has_time
        tuning.ask()
        tuning.give_up()
    assert not tuning.has_time


def test_a_setting_that_is_tried_twice_is_two_contenders() -> None:
    setting = settings()[0]
    first, second = (Contender(setting, probas={(0, 0): np.full((2, 2), 0.5)}) for _ in range(2))
    assert first in [second, first]
    assert second not in [first]


def test_time_that_is_up_leaves_the_first_setting_and_is_told() -> None:
    minutes = count()
    trained = run(
        tables.numbers(), Recipe("auto", folds=3, max_minutes=2), clock=lambda: next(minutes) * 60.0
    )
    assert (trained.family, trained.params) == (PORTFOLIO[0].family, PORTFOLIO[0].params)
    assert trained.fits == 2
    assert trained.warnings == ["the best setting was judged on 2 of 3 folds, because time ran out"]
    assert 0 < trained.cross_validation["roc_auc"]["mean"] <= 1


def test_a_search_that_finds_nothing_better_ends_before_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.ml.search.auto.tuning.PATIENCE", 1)
    trained = run(tables.numbers(), Recipe("auto", folds=2, max_minutes=60))
    assert trained.warnings == ["the search ended early, because many settings in a row were hardly better"]
    # the whole portfolio on both folds, and settings around the best of it
    assert trained.fits > 2 * len(settings())


def test_a_large_table_is_searched_on_growing_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "FIRST_ROWS", 40)
    random = np.random.default_rng(0)
    label = np.where(random.random(800) < 0.01, "rare", np.where(random.random(800) < 0.5, "yes", "no"))
    table = pd.DataFrame({"a": random.normal(size=800) + (label == "yes"), "label": label})
    reports: list[Any] = []
    # three settings on 40 and 160 rows, and one on all of them
    trained = run(table, Recipe("auto", folds=3, max_fits=9), report=reports.append)
    assert trained.fits <= 9
    assert len(trained.candidates) >= 3
    assert trained.held_out.rows == 160


def test_the_portfolio_begins_with_its_cheapest_setting_where_the_first_takes_too_long() -> None:
    random = np.random.default_rng(0)
    label = np.repeat([f"class {number:02}" for number in range(40)], 12)
    table = pd.DataFrame({"a": random.normal(size=len(label)), "label": label})
    contract = infer(table, "label")
    part = _Part(contract.prepare(table), label.astype(object), None, None)

    def first(minutes: float) -> Setting:
        task = _task(
            contract, Recipe("auto", max_minutes=minutes), part, jobs=1, accelerate=False, clock=lambda: 0.0
        )
        return Search(task, 0.0, lambda progress: None)._field()[0].setting

    assert first(600) == PORTFOLIO[0]
    assert first(0.5).family == "logistic_regression"


def test_a_mix_becomes_one_artifact_that_answers_alike_everywhere() -> None:
    table = tables.mixed()
    contract = infer(table, "label")
    X, y = contract.prepare(table), contract.labels_of(table).to_numpy(dtype=object)
    members = [
        {"family": BOOSTING, "params": {"n_estimators": 5}, "weight": 0.6},
        {"family": "logistic_regression", "params": {"C": 0.1}, "weight": 0.4},
    ]
    pipeline = fit_mix(contract, members, X, y, 0, threads=lambda family: 2)
    # one row is not worth a pool of threads
    assert pipeline.named_steps["model"].estimators_[0].named_steps["model"].n_jobs == 1
    stored = load(dump(pipeline), digest(dump(pipeline)))
    assert np.array_equal(stored.predict_proba(X), pipeline.predict_proba(X))
    assert "lightgbm" in libraries(pipeline)
    again = clone(pipeline).fit(X, y)
    assert np.allclose(again.predict_proba(X), pipeline.predict_proba(X))


def judged(scores: list[float], level: int = 1) -> Contender:
    """A setting with these scores on the first folds of a level."""
    setting = Setting(BOOSTING, {})
    return Contender(setting, scores={(level, fold): score for fold, score in enumerate(scores)})


def test_a_setting_that_is_clearly_better_on_fewer_folds_is_the_best() -> None:
    search = object.__new__(Search)
    complete, better, chance = judged([0.910, 0.912, 0.908]), judged([0.950]), judged([0.911])
    search.contenders = [complete, chance, judged([0.99], level=0), judged([], level=0)]
    assert search.best is complete
    search.contenders.append(better)
    assert search.best is better


def test_the_best_score_falls_only_where_more_folds_are_judged() -> None:
    search = object.__new__(Search)
    search.race = SimpleNamespace(last=1, first_folds=lambda level: [0])  # type: ignore[assignment]
    search.all_folds = [0, 1, 2]
    search.contenders = []
    scores = []
    for contender in (
        judged([0.7], level=0),
        judged([0.95]),
        judged([0.90, 0.99]),
        judged([0.88, 0.80, 0.84]),
        judged([0.99]),
        judged([0.85, 0.85, 0.85]),
    ):
        search.contenders.append(contender)
        scores.append(round(search._best_score() or 0, 4))
    assert scores == [0.7, 0.95, 0.95, 0.84, 0.84, 0.85]


def test_the_best_setting_of_each_family_is_shown_however_many_are_better() -> None:
    families = ["lightgbm"] * SHOWN + ["lightgbm", "extra_trees", "extra_trees"]
    candidates = [
        Candidate(family, {}, mean=0.5, std=0.1, rank=rank, seconds=1.0)
        for rank, family in enumerate(families, start=1)
    ]
    shown = [(item.family, item.rank) for item in _shown(candidates)[SHOWN:]]
    assert shown == [("extra_trees", SHOWN + 2)]


def test_a_family_that_is_far_behind_is_not_searched() -> None:
    search = object.__new__(Search)
    step = Step(1, [0])
    search.contenders = [
        Contender(Setting(family, {}), scores={(1, 0): score})
        for family, score in (("lightgbm", 0.95), ("logistic_regression", 0.83), ("extra_trees", 0.94))
    ]
    assert search._families(step) == ["lightgbm", "extra_trees"]
