"""How long one row takes through contract and engine, without HTTP and without the log."""

import time
from pathlib import Path
from statistics import median

import pandas as pd

from training.ml.search.recipe import Recipe
from training.ml.serve.loaded_model import LoadedModel, choose_engine
from training.ml.tables.contract import Contract
from training.ml.tables.inference import infer
from training.ml.trainer import train

CHURN = Path(__file__).resolve().parents[2] / "data" / "churn.csv"
TIMES = 5_000


def microseconds() -> float:
    """The median for the demo table's forest of 100 trees."""
    frame = pd.read_csv(CHURN)
    contract: Contract = infer(frame, "churn")
    trained = train(frame, contract, Recipe(space={"n_estimators": [100]}, folds=2))
    engine = choose_engine(trained.pipeline, contract, contract.prepare(frame.head(500)), None)
    model = LoadedModel.load(trained.pipeline, contract, None, engine, [contract.example])
    record, taken = contract.example, []
    for _ in range(TIMES):
        began = time.perf_counter()
        contract.check(record)
        model.score([record])
        taken.append(time.perf_counter() - began)
    return median(taken) * 1e6
