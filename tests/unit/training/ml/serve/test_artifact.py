"""Models as bytes: recognised before they are loaded, and the same in any Python that has scikit-learn."""

import io
import json
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression

from tests.support import tables
from tests.support.factories import tiny
from training.ml.search.estimators import build_pipeline
from training.ml.serve.artifact import ArtifactError, check_golden, digest, dump, libraries, load
from training.ml.tables.inference import infer

ROOT = Path(__file__).resolve().parents[5]
# said after the lines of the document: the answer in full, and that nothing of this project was there
LAST_WORDS = """
import importlib.util, sys
print(pandas.DataFrame(probabilities).to_json(orient="values", double_precision=15))
names = ["training", "predictions", "clfsite"]
sys.exit(", ".join(name for name in names if importlib.util.find_spec(name)) or None)
"""


class Canary:
    """Unpickling it makes a folder: a trace that joblib.load was reached."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.mkdir, (self.folder,)  # type: ignore[return-value]


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "loaded"


def test_what_a_model_was_made_with_names_python_and_every_library() -> None:
    made = libraries(tiny().trained.pipeline)
    assert made["python"] == platform.python_version()
    assert (made["scikit-learn"], made["pandas"]) == (sklearn.__version__, pd.__version__)


def test_other_libraries_are_named_only_with_their_own_models() -> None:
    contract = tiny().contract
    for family in ("lightgbm", "catboost", "random_forest"):
        made = libraries(build_pipeline(contract, family, 0))
        assert {"lightgbm", "catboost"} & set(made) == {family} - {"random_forest"}


def test_artifact_comes_back_as_it_was() -> None:
    data = dump(tiny().trained.pipeline)
    check_golden(load(data, digest(data)), tiny().contract, tiny().trained.golden)


def test_same_model_gives_the_same_bytes() -> None:
    assert digest(dump(tiny().trained.pipeline)) == digest(dump(tiny().trained.pipeline))


def test_canary_sings_when_it_is_loaded(canary: Path) -> None:
    data = dump(Canary(canary))
    load(data, digest(data))
    assert canary.exists()


def test_hash_is_compared_before_anything_is_loaded(canary: Path) -> None:
    with pytest.raises(ArtifactError, match="SHA-256"):
        load(dump(Canary(canary)), digest(b"another artifact"))
    assert not canary.exists()


@pytest.mark.parametrize("share", [0, 0.001, 0.25, 0.5, 0.75, 1], ids="at {:.1%}".format)
@pytest.mark.parametrize("bit", [0, 7])
@pytest.mark.case("F18")
def test_one_flipped_bit_is_refused_anywhere(share: float, bit: int) -> None:
    data = bytearray(dump(tiny().trained.pipeline))
    recorded = digest(bytes(data))
    data[int(share * (len(data) - 1))] ^= 1 << bit
    with pytest.raises(ArtifactError, match="SHA-256"):
        load(bytes(data), recorded)


def test_flipped_bit_that_joblib_would_load_is_not_loaded(canary: Path) -> None:
    buffer = io.BytesIO()
    joblib.dump([Canary(canary), "plain text"], buffer)
    data = buffer.getvalue()
    changed = data.replace(b"plain text", b"plain texu")
    joblib.load(io.BytesIO(changed))
    canary.rmdir()
    with pytest.raises(ArtifactError, match="SHA-256"):
        load(changed, digest(data))
    assert not canary.exists()


@pytest.mark.parametrize("length", [0, 1, 1_000, -1])
@pytest.mark.case("F19")
def test_cut_artifact_is_refused(length: int) -> None:
    data = dump(tiny().trained.pipeline)
    with pytest.raises(ArtifactError, match="SHA-256"):
        load(data[:length], digest(data))


@pytest.mark.case("F21")
def test_swapped_artifact_is_refused() -> None:
    pipeline = tiny().trained.pipeline
    model, preprocessor = dump(pipeline.named_steps["model"]), dump(pipeline.named_steps["preprocessor"])
    with pytest.raises(ArtifactError, match="SHA-256"):
        load(model, digest(preprocessor))


def test_artifact_of_another_scikit_learn_is_refused_by_both_releases() -> None:
    ours = sklearn.__version__
    other = ours[:-1] + ("0" if ours[-1] != "0" else "1")
    buffer = io.BytesIO()
    joblib.dump(LogisticRegression(), buffer)
    data = buffer.getvalue().replace(ours.encode(), other.encode())
    with pytest.raises(ArtifactError, match=rf"by scikit-learn {other}, this is {ours}"):
        load(data, digest(data))


def test_artifact_that_cannot_be_loaded_here_is_refused_by_its_reason() -> None:
    data = b"cno_such_package\nModel\n."
    with pytest.raises(ArtifactError, match="no_such_package"):
        load(data, digest(data))


def test_golden_rows_are_json_and_score_as_recorded() -> None:
    golden = json.loads(json.dumps(tiny().trained.golden, allow_nan=False))
    assert len(golden["records"]) == len(golden["proba"]) == tiny().trained.held_out.rows
    check_golden(tiny().trained.pipeline, tiny().contract, golden)


@pytest.mark.parametrize("change", [0.01, -1e-6, float("nan")])
def test_probability_that_moved_is_noticed(change: float) -> None:
    golden = json.loads(json.dumps(tiny().trained.golden))
    golden["proba"][-1][0] += change
    with pytest.raises(ArtifactError, match="does not reproduce the predictions"):
        check_golden(tiny().trained.pipeline, tiny().contract, golden)


def test_answers_for_other_classes_are_noticed() -> None:
    golden = tiny().trained.golden
    three = {**golden, "proba": [[*row, 0.0] for row in golden["proba"]]}
    with pytest.raises(ArtifactError, match="does not reproduce the predictions"):
        check_golden(tiny().trained.pipeline, tiny().contract, three)


def lines_of_the_document() -> str:
    """The Python that docs/training.md tells people to write."""
    document = (ROOT / "docs" / "training.md").read_text()
    return document.split("```python\n", 1)[1].split("```", 1)[0]


@pytest.mark.parametrize("make", [tables.mixed, tables.codes, tables.texts], ids=lambda make: make.__name__)
def test_lines_of_the_document_score_a_raw_table_in_a_python_without_this_project(
    make: Callable[[], pd.DataFrame], tmp_path: Path
) -> None:
    table = make()
    contract = infer(table, "label")
    pipeline = build_pipeline(contract, "logistic_regression", 0).fit(contract.prepare(table), table["label"])
    (tmp_path / "customers-pipeline.joblib").write_bytes(dump(pipeline))
    # other columns, another order, and labels that are not there yet
    raw = table[table.columns[::-1]].drop(columns="label").assign(customer=range(len(table)))
    raw.to_csv(tmp_path / "customers.csv", index=False)
    code = lines_of_the_document() + LAST_WORDS
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.strip()) == (0, "")
    expected = pipeline.predict_proba(contract.prepare(table))
    np.testing.assert_allclose(np.array(json.loads(done.stdout)), expected, rtol=0, atol=1e-9)
