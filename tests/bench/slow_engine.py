"""A worker whose engine waits: `celery -A tests.bench.slow_engine worker`, for tests.bench.workers alone."""

import os
import time
from typing import Any

from clfsite.celery import app
from training.ml.serve.loaded_model import LoadedModel

__all__ = ["app"]

_score = LoadedModel.score_arrays


def score_slowly(*arguments: Any) -> Any:
    time.sleep(float(os.environ["BENCH_ENGINE_SECONDS"]))
    return _score(*arguments)


LoadedModel.score_arrays = score_slowly  # type: ignore[method-assign, assignment]
