"""Every figure once more, from the exported pipeline with scikit-learn and pandas alone."""

import io
from dataclasses import dataclass
from functools import cache
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)
from sklearn.model_selection import StratifiedKFold, cross_val_predict, train_test_split

from predictions.serving.live_models import live_models
from tests.integration.conftest import Post
from tests.support.factories import ApiKeyFactory
from training.datasets.service import import_dataset
from training.ml.search.recipe import Recipe
from training.ml.tables.corrections import Corrections, Spellings
from training.ml.trainer import Trained, train
from training.models import Version
from training.runs import execution
from training.runs.service import request_run

# the search reports from a thread of its own, which would not see an open transaction
pytestmark = pytest.mark.django_db(transaction=True)

ROWS, FOLDS, SEED = 400, 3, 11
QUICK: dict[str, dict[str, Any]] = {
    "logistic_regression": {"C": [1.0]},
    "hist_gradient_boosting": {"max_iter": [20]},
    "random_forest": {"n_estimators": [20], "max_depth": [4]},
}


@dataclass(frozen=True)
class Case:
    """A table by the spellings and shares of its labels, and what is asked for."""

    labels: dict[str, float]
    estimator: str
    aim: dict[str, Any] | None = None
    positive: str | None = None
    merged: dict[str, str] | None = None


CASES = {
    "rare class first, recall": Case(
        {"fraud": 0.1, "legit": 0.9}, "logistic_regression", {"goal": "recall", "value": 0.9}
    ),
    "rare class first, cost": Case(
        {"fraud": 0.06, "legit": 0.94}, "logistic_regression", {"goal": "cost", "value": 50.0}
    ),
    "codes, precision": Case(
        {"01": 0.6, "02": 0.4}, "hist_gradient_boosting", {"goal": "precision", "value": 0.7}
    ),
    "forest, f1": Case({"yes": 0.3, "no": 0.7}, "random_forest", {"goal": "f1", "value": None}),
    "other side by choice": Case({"0": 0.5, "1": 0.5}, "logistic_regression", positive="0"),
    "merged spellings": Case(
        {"Yes": 0.3, "yes": 0.1, "No": 0.6},
        "logistic_regression",
        {"goal": "cost", "value": 3.0},
        merged={"yes": "Yes"},
    ),
    "ratings": Case({"1": 0.3, "2": 0.3, "9": 0.2, "10": 0.2}, "logistic_regression"),
    "three words": Case({"low": 0.4, "middle": 0.3, "high": 0.3}, "hist_gradient_boosting"),
}


@dataclass(frozen=True)
class Oracle:
    """What anybody can work out who has the table, the exported pipeline, and scikit-learn."""

    case: Case
    version: Version
    X: pd.DataFrame
    y: NDArray[np.object_]
    pipeline: Any
    fitted: NDArray[np.intp]
    held_out: NDArray[np.intp]

    @property
    def classes(self) -> list[str]:
        result = sorted(set(self.y))
        return sorted(result, key=float) if all(item.isdigit() for item in result) else result

    def by_class(self, rows: NDArray[np.intp]) -> pd.DataFrame:
        proba = self.pipeline.predict_proba(self.X.iloc[rows])
        return pd.DataFrame(proba, columns=list(self.pipeline.classes_))[self.classes]

    def decided(self, proba: pd.DataFrame) -> list[str]:
        positive = self.version.contract.positive
        if positive is None:
            return [str(label) for label in proba.idxmax(axis=1)]
        (negative,) = set(self.classes) - {positive}
        return [positive if share >= self.version.threshold else negative for share in proba[positive]]

    def measured(self, y: NDArray[np.object_], proba: pd.DataFrame) -> dict[str, float]:
        labels, positive = self.decided(proba), self.version.contract.positive
        how: dict[str, Any] = {"zero_division": 0}
        if positive is None:
            known = sorted(self.classes)
            how["average"] = "macro"
            auc = roc_auc_score(y, proba[known], multi_class="ovr", labels=known)
        else:
            how["pos_label"] = positive
            auc = roc_auc_score(y == positive, proba[positive])
        return {
            "accuracy": accuracy_score(y, labels),
            "f1": f1_score(y, labels, **how),
            "precision": precision_score(y, labels, **how),
            "recall": recall_score(y, labels, **how),
            "roc_auc": auc,
        }

    def out_of_fold(self) -> tuple[NDArray[np.object_], pd.DataFrame]:
        y = self.y[self.fitted]
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
        proba = cross_val_predict(
            clone(self.pipeline), self.X.iloc[self.fitted], y, cv=folds, method="predict_proba"
        )
        return y, pd.DataFrame(proba, columns=sorted(set(y)))[self.classes]


def table_of(case: Case) -> pd.DataFrame:
    """Two numbers, one with gaps, and a category, which tell the labels apart with errors."""
    random = np.random.default_rng(len(case.labels) + ROWS)
    names = list(case.labels)
    place = random.choice(len(names), ROWS, p=list(case.labels.values()))
    kinds = [(case.merged or {}).get(name, name) for name in names]
    level = np.array([kinds.index(kind) for kind in kinds])[place]
    table = pd.DataFrame(
        {
            "x": (level + random.normal(0, 1, ROWS)).round(4),
            "z": random.normal(0, 1, ROWS).round(3),
            "group": random.choice(["a", "b", "c"], ROWS),
            "y": np.array(names, dtype=object)[place],
        }
    )
    table.loc[::9, "x"] = np.nan
    table.loc[::13, "group"] = np.nan
    return table


@cache
def trained(name: str) -> list[Trained]:
    """Where the first training of a case leaves its model for the other tests, as each would make the same."""
    return []


@pytest.fixture(params=list(CASES))
def oracle(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Oracle:
    case, made = CASES[request.param], trained(request.param)

    def train_once(*args: Any, **options: Any) -> Trained:
        if not made:
            made.append(train(*args, **options))
        return made[0]

    monkeypatch.setattr(execution, "train", train_once)
    csv = table_of(case).to_csv(index=False).encode()
    dataset = import_dataset(name="oracle", target="y", source=ContentFile(csv))
    recipe = Recipe(
        estimator=case.estimator,
        folds=FOLDS,
        seed=SEED,
        space=QUICK[case.estimator],
        aim=case.aim,
        positive=case.positive,
    )
    corrections = Corrections(labels=Spellings.MERGE if case.merged else None)
    run = request_run(dataset=dataset, recipe=recipe, corrections=corrections, activate=True, queued=False)
    assert run.start()
    version = execution.execute_run(run, jobs=1)
    run.refresh_from_db()
    assert version, run.error
    live_models.forget()
    table = pd.read_csv(io.BytesIO(csv), dtype={"y": str})
    y = table["y"].replace(case.merged or {}).to_numpy(dtype=object)
    with storages["artifacts"].open(version.artifacts["pipeline"]["name"]) as file:
        pipeline = joblib.load(file)
    rows = np.arange(len(y))
    fitted, held_out = train_test_split(rows, test_size=0.2, stratify=y, random_state=SEED)
    return Oracle(case, version, table.drop(columns="y"), y, pipeline, fitted, held_out)


def test_figures_of_the_held_out_rows(oracle: Oracle) -> None:
    version, y = oracle.version, oracle.y[oracle.held_out]
    proba = oracle.by_class(oracle.held_out)
    assert list(version.contract.classes) == oracle.classes
    assert version.metrics == pytest.approx(oracle.measured(y, proba), abs=1e-12)
    result, labels = version.held_out, oracle.decided(proba)
    assert result["confusion"] == confusion_matrix(y, labels, labels=oracle.classes).tolist()
    assert [row["rows"] for row in result["per_class"]] == [int((y == name).sum()) for name in oracle.classes]
    recalls = recall_score(y, labels, labels=oracle.classes, average=None, zero_division=0)
    assert [row["recall"] for row in result["per_class"]] == pytest.approx(recalls.tolist())


def test_curves_of_the_held_out_rows(oracle: Oracle) -> None:
    y, proba = oracle.y[oracle.held_out], oracle.by_class(oracle.held_out)
    positive, curves = oracle.version.contract.positive, oracle.version.held_out["curves"]
    names = oracle.classes if positive is None else [positive]
    for kind in curves.values():
        assert [item["label"] for item in kind] == names
    for place, name in enumerate(names):
        truth, score = y == name, proba[name]
        false_rate, true_rate, _ = roc_curve(truth, score)
        roc = curves["roc"][place]
        assert roc["area"] == pytest.approx(roc_auc_score(truth, score))
        assert (roc["x"], roc["y"]) == (false_rate.round(5).tolist(), true_rate.round(5).tolist())
        precision, recall, _ = precision_recall_curve(truth, score)
        drawn = curves["precision_recall"][place]
        assert drawn["area"] == pytest.approx(average_precision_score(truth, score))
        assert drawn["x"] == recall[::-1].round(5).tolist()
        assert drawn["y"] == precision[::-1].round(5).tolist()
        observed, predicted = calibration_curve(truth, score, n_bins=10)
        line = curves["calibration"][place]
        assert (line["x"], line["y"]) == (predicted.tolist(), observed.tolist())
        assert sum(line["counts"]) == len(y)


def test_threshold_serves_its_aim_on_the_scores_that_it_was_chosen_on(oracle: Oracle) -> None:
    contract, threshold, aim = oracle.version.contract, oracle.version.threshold, oracle.case.aim
    positive = contract.positive
    if positive is None:
        assert threshold is None
        return
    rarer = min(oracle.classes, key=lambda name: (oracle.y == name).sum())
    usual = {"yes", "Yes", "1"} & set(oracle.classes)
    assert positive == (oracle.case.positive or (usual or {rarer}).pop())
    if aim is None:
        assert threshold == 0.5
        return
    y, proba = oracle.out_of_fold()
    truth, score = y == positive, proba[positive].to_numpy()
    chosen = score >= threshold
    ways = [score >= item for item in np.unique(score)]
    value = aim["value"]
    if aim["goal"] == "f1":
        assert f1_score(truth, chosen) == max(f1_score(truth, way) for way in ways)
    elif aim["goal"] == "cost":

        def cost(way: NDArray[np.bool_]) -> float:
            return float(value * (truth & ~way).sum() + (way & ~truth).sum())

        assert cost(chosen) == min(map(cost, ways))
        assert chosen.any()
    else:
        wanted, other = precision_score, recall_score
        if aim["goal"] == "recall":
            wanted, other = other, wanted
        enough = [way for way in ways if wanted(truth, way, zero_division=0) >= value]
        assert wanted(truth, chosen) >= value
        assert other(truth, chosen) == max(other(truth, way) for way in enough)


def test_figures_over_the_folds(oracle: Oracle) -> None:
    y, proba = oracle.out_of_fold()
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(y, y)
    measured = [oracle.measured(y[rows], proba.iloc[rows].reset_index(drop=True)) for _, rows in folds]
    for name, result in oracle.version.cross_validation.items():
        item = [scores[name] for scores in measured]
        assert result == pytest.approx({"mean": np.mean(item), "std": np.std(item)}, abs=1e-9)


def test_answers_and_live_accuracy(oracle: Oracle, post: Post, client: Client) -> None:
    rows = oracle.X.iloc[oracle.held_out].to_dict("records")
    records = [{name: None if pd.isna(value) else value for name, value in row.items()} for row in rows]
    expected = oracle.by_class(oracle.held_out)
    contract, threshold = oracle.version.contract, oracle.version.threshold
    answers = post("/predict-batch", {"records": records}).json()["predictions"]
    for answer, (_, row) in zip(answers, expected.iterrows(), strict=True):
        assert list(answer["probabilities"]) == oracle.classes
        assert answer["probabilities"] == pytest.approx(row.to_dict(), abs=1e-6)
        assert answer["probability"] == answer["probabilities"][answer["label"]]
        if contract.positive is not None:
            is_enough = answer["probabilities"][contract.positive] >= threshold
            assert (answer["label"] == contract.positive) == is_enough
    labels = [answer["label"] for answer in answers]
    assert labels == oracle.decided(expected)
    single = [post("/predict", {"features": record}).json() for record in records[:5]]
    assert [item["label"] for item in single] == labels[:5]
    truth = oracle.y[oracle.held_out]
    lines = [f"{item['prediction_id']},{label}" for item, label in zip(answers, truth, strict=True)]
    ApiKeyFactory.create(secret="clf_judge", scopes=("feedback", "read"))
    headers = {"authorization": "Bearer clf_judge"}
    file = SimpleUploadedFile("truth.csv", "\n".join(["id,label", *lines]).encode(), "text/csv")
    stored = client.post("/api/feedback", {"file": file}, headers=headers).json()
    assert (stored["created"], stored["unchanged"], stored["corrected"]) == (len(lines), 0, 0)
    (live,) = client.get("/api/classifiers/oracle/live", headers=headers).json()["versions"]
    assert (live["judged"], live["correct"]) == (len(truth), int((truth == labels).sum()))
    assert live["accuracy"] == pytest.approx(accuracy_score(truth, labels))
    assert live["classes"] == oracle.classes
    assert live["confusion"] == confusion_matrix(truth, labels, labels=oracle.classes).tolist()
    assert live["confusion"] == oracle.version.held_out["confusion"]
