"""What a notebook does: the eight names of `training.ml`, on a table of this folder's tests."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support import tables
from tests.support.site import ROOT
from training import ml
from training.ml.serve.artifact import ArtifactError
from training.ml.trainer import Trained

RECIPE = ml.Recipe(estimator="logistic_regression", folds=2, space={"C": [1.0]})
TARGET = "label"


@pytest.fixture(scope="module")
def trained() -> Trained:
    table = tables.mixed()
    return ml.train(table, ml.infer(table, TARGET), RECIPE, jobs=1, accelerate=False)


def test_every_name_of_the_facade_is_there() -> None:
    assert ml.__all__ == ["read_table", "infer", "Corrections", "Recipe", "train", "evaluate", "save", "load"]
    for name in ml.__all__:
        assert callable(getattr(ml, name))
    assert set(ml.__all__) <= set(dir(ml))


def test_another_name_is_told_apart() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'predict'"):
        ml.predict  # noqa: B018


def test_the_package_loads_nothing_heavy_before_a_name_is_used() -> None:
    """A process that reads contracts imports `training.ml`, too."""
    listing = "import sys, training.ml, training.ml.tables.contract; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", listing], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {"sklearn", "pandas", "scipy", "joblib"} & set(done.stdout.split())


def test_a_saved_model_answers_as_it_did_when_it_was_trained(trained: Trained, tmp_path: Path) -> None:
    ml.save(trained, tmp_path / "model")
    model = ml.load(tmp_path / "model")
    X = trained.contract.prepare(tables.mixed())
    np.testing.assert_allclose(model.proba(X), trained.pipeline.predict_proba(X), rtol=0, atol=1e-9)
    assert (model.contract, model.threshold) == (trained.contract, trained.threshold)


def test_a_loaded_model_is_judged_as_the_trained_one_is(trained: Trained, tmp_path: Path) -> None:
    ml.save(trained, tmp_path / "model")
    fresh = ml.evaluate(trained, tables.mixed())
    assert fresh.rows == tables.mixed()[TARGET].notna().sum()
    assert ml.evaluate(ml.load(tmp_path / "model"), tables.mixed()) == fresh


def test_a_model_is_not_saved_over_another(trained: Trained, tmp_path: Path) -> None:
    ml.save(trained, tmp_path / "model")
    with pytest.raises(FileExistsError):
        ml.save(trained, tmp_path / "model")


def test_a_pipeline_that_was_changed_is_not_loaded(trained: Trained, tmp_path: Path) -> None:
    ml.save(trained, tmp_path / "model")
    pipeline = tmp_path / "model" / "pipeline.joblib"
    pipeline.write_bytes(pipeline.read_bytes() + b"\n")
    with pytest.raises(ArtifactError, match="SHA-256"):
        ml.load(tmp_path / "model")


def test_a_model_that_answers_differently_here_is_not_loaded(trained: Trained, tmp_path: Path) -> None:
    ml.save(trained, tmp_path / "model")
    facts = json.loads((tmp_path / "model" / "model.json").read_text())
    facts["golden"]["proba"][0] = facts["golden"]["proba"][0][::-1]
    (tmp_path / "model" / "model.json").write_text(json.dumps(facts))
    with pytest.raises(ArtifactError, match="does not reproduce the predictions"):
        ml.load(tmp_path / "model")
