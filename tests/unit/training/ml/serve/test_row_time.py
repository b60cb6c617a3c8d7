"""The limit of a mix: one row takes at most four times as long as with the best setting alone."""

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from tests.support import tables
from training.ml.search.auto.portfolio import Setting
from training.ml.search.auto.race import Contender
from training.ml.search.auto.timed import Search
from training.ml.search.estimators import fit_mix, part_of_mix
from training.ml.search.families import BOOSTING, MIX
from training.ml.search.recipe import Recipe
from training.ml.search.searches import Candidate, SearchResult
from training.ml.serve.compiled import compile_pipeline
from training.ml.serve.row_time import MOST_TIMES, slowest_beyond
from training.ml.tables.contract import Contract
from training.ml.tables.inference import infer
from training.ml.trainer import _fast_enough, _Part, _task

TABLE = tables.mixed()
CONTRACT = infer(TABLE, "label")
X, Y = CONTRACT.prepare(TABLE), CONTRACT.labels_of(TABLE).to_numpy(dtype=object)
BEST = Setting("logistic_regression", {"C": 0.1})
SLOW = Setting("random_forest", {"n_estimators": 3_000, "max_depth": 4})
QUICK = Setting(BOOSTING, {"n_estimators": 5})


def mix_of(members: list[dict[str, Any]]) -> Pipeline:
    return fit_mix(CONTRACT, members, X, Y, 0, threads=lambda family: 2)


def member(setting: Setting, weight: float) -> dict[str, Any]:
    return {"family": setting.family, "params": dict(setting.params), "weight": weight}


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return mix_of([member(BEST, 0.4), member(SLOW, 0.3), member(QUICK, 0.3)])


def row_seconds(pipeline: Pipeline, contract: Contract) -> float:
    compiled = compile_pipeline(pipeline, contract)
    assert compiled
    seconds = []
    for _ in range(500):
        began = time.perf_counter()
        compiled.predict(compiled.preprocessor.records([contract.example]))
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def errs_on(rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Probabilities of a setting that is wrong on some rows."""
    is_positive = 2.0 * (np.unique(Y)[1] == Y) - 1.0
    positive = 1 / (1 + np.exp(-is_positive * np.where(rows, -3.0, 2.0)))
    return np.column_stack([1 - positive, positive])


def search_of(settings: list[Setting]) -> SearchResult:
    """A search that mixes these settings, of which the first is the best alone."""
    recipe = Recipe("auto", max_minutes=5.0)
    task = _task(CONTRACT, recipe, _Part(X, Y, None, None), jobs=1, accelerate=False, clock=time.monotonic)
    search = Search(task, time.monotonic(), lambda progress: None)
    contenders = []
    for place, setting in enumerate(settings):
        # each on other rows, and the first one on the fewest
        proba = errs_on(np.arange(len(Y)) % (6 if place == 0 else 5) == place)
        contender = Contender(setting)
        for fold in search.all_folds:
            rows = search.race.places(search.race.last, fold)
            contender.probas[search.race.last, fold] = proba[rows]
        contenders.append(contender)
    alone = Candidate(BEST.family, dict(BEST.params), 0.8, 0.01, 1, 0.1)
    return search._mixed(SearchResult([alone]), contenders, lambda: False)


def test_a_member_that_takes_too_long_is_named_unless_it_is_the_best(pipeline: Pipeline) -> None:
    assert row_seconds(pipeline, CONTRACT) > MOST_TIMES * row_seconds(
        part_of_mix(pipeline, {0: 1.0}), CONTRACT
    )
    assert slowest_beyond(pipeline, CONTRACT, best=0) == 1
    assert slowest_beyond(pipeline, CONTRACT, best=1) is None


@pytest.mark.parametrize("places", [[0], [1], [0, 1], [1, 2], [2, 0]], ids=str)
def test_a_part_of_a_mix_answers_as_the_same_members_fitted_alone(places: list[int]) -> None:
    members = [member(BEST, 0.5), member(Setting(BOOSTING, {"n_estimators": 9}), 0.3), member(QUICK, 0.2)]
    weights = {place: 0.7 - 0.1 * number for number, place in enumerate(places)}
    part = part_of_mix(mix_of(members), weights)
    again = mix_of([{**members[place], "weight": weight} for place, weight in weights.items()])
    assert np.allclose(part.predict_proba(X), again.predict_proba(X), atol=1e-12)
    assert type(part.named_steps["preprocessor"]) is type(again.named_steps["preprocessor"])
    compiled = compile_pipeline(part, CONTRACT)
    assert compiled
    assert np.abs(compiled.proba(X) - part.predict_proba(X)).max() < 1e-6


def test_a_mix_is_chosen_again_without_a_member_that_takes_too_long(pipeline: Pipeline) -> None:
    found = search_of([BEST, SLOW, QUICK])
    members = found.candidates[0].params["members"]
    places = [[BEST.family, SLOW.family, QUICK.family].index(item["family"]) for item in members]
    assert sorted(places) == [0, 1, 2]
    weights = [item["weight"] for item in members]
    whole = part_of_mix(pipeline, dict(zip(places, weights, strict=True)))
    fitted: list[Candidate] = []
    search, pipeline = _fast_enough(found, whole, CONTRACT, fitted.append)
    assert not fitted
    kept = search.candidates[0].params["members"]
    assert {item["family"] for item in kept} == {BEST.family, QUICK.family}
    assert sum(item["weight"] for item in kept) == pytest.approx(1)
    assert np.allclose(pipeline.predict_proba(X), mix_of(kept).predict_proba(X), atol=1e-12)
    assert slowest_beyond(pipeline, CONTRACT, best=search.mixed.best if search.mixed else 0) is None
    assert search.proba is not None
    assert np.isfinite(search.proba).all()


def test_the_best_setting_stays_alone_where_every_other_member_takes_too_long(
    pipeline: Pipeline,
) -> None:
    found = search_of([BEST, SLOW])
    assert found.candidates[0].family == MIX
    fitted: list[Candidate] = []

    def fit(winner: Candidate) -> Pipeline:
        fitted.append(winner)
        return mix_of([member(BEST, 1.0)])

    places = [
        [BEST.family, SLOW.family].index(item["family"]) for item in found.candidates[0].params["members"]
    ]
    search, _ = _fast_enough(found, part_of_mix(pipeline, dict.fromkeys(places, 0.5)), CONTRACT, fit)
    assert search.mixed is None
    assert [item.family for item in fitted] == [search.candidates[0].family] == [BEST.family]
