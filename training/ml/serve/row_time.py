"""How long one row takes: a mix may take a few times as long as the best of its members alone."""

import time
from collections.abc import Callable

from sklearn.pipeline import Pipeline

from training.ml.search.estimators import part_of_mix
from training.ml.serve.compiled import compile_pipeline
from training.ml.tables.contract import Contract

# how many times as long as its best member a mix may take
MOST_TIMES = 4.0
# calls of which the fastest counts, and seconds after which no other is made
CALLS, ENOUGH_SECONDS = 200, 0.2


def slowest_beyond(pipeline: Pipeline, contract: Contract, best: int, *, compiles: bool = True) -> int | None:
    """Return the place of the member to leave out of a mix that takes too long for one row; None if it does not.

    Args:
        pipeline: fitted by `fit_mix`.
        best: the place of the best member, which is never left out.
        compiles: whether it is served compiled; without, by scikit-learn.
    """

    def seconds(of: Pipeline) -> float:
        return _seconds(of, contract, compiles=compiles)

    if seconds(pipeline) <= MOST_TIMES * seconds(part_of_mix(pipeline, {best: 1.0})):
        return None
    others = set(range(len(pipeline.named_steps["model"].estimators_))) - {best}
    return max(others, key=lambda place: seconds(part_of_mix(pipeline, {place: 1.0})))


def _seconds(pipeline: Pipeline, contract: Contract, *, compiles: bool) -> float:
    """Return the seconds for one row, in the form in which it is served."""
    compiled, record = compile_pipeline(pipeline, contract) if compiles else None, contract.example
    if compiled is None:
        frame = contract.frame([record])
        return _fastest(lambda: pipeline.predict_proba(frame))
    return _fastest(lambda: compiled.predict(compiled.preprocessor.records([record])))


def _fastest(call: Callable[[], object]) -> float:
    fastest, ends = float("inf"), time.perf_counter() + ENOUGH_SECONDS
    for _ in range(CALLS):
        began = time.perf_counter()
        call()
        ended = time.perf_counter()
        fastest = min(fastest, ended - began)
        if ended > ends:
            break
    return fastest
