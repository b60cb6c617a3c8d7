"""Serialised models: identified by their SHA-256, which is compared before a model is loaded."""

import hashlib
import hmac
import io
import platform
import warnings
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.exceptions import InconsistentVersionWarning

from training.ml.tables.contract import Contract

# The fastest level of deflate shrinks forests to about a quarter, in much less time than their training.
COMPRESSION = ("zlib", 1)
LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "joblib")
# needed by the models that have a part of them
OPTIONAL_LIBRARIES = ("lightgbm", "catboost")
TOLERANCE = 1e-9  # difference of a probability
GOLDEN_ROWS = 20


class ArtifactError(Exception):
    """The artifact does not match its record and must not be served."""


def dump(model: Any) -> bytes:
    """Serialise a fitted estimator with joblib; `joblib.load` reads it back in plain Python."""
    buffer = io.BytesIO()
    joblib.dump(model, buffer, compress=COMPRESSION)
    return buffer.getvalue()


def digest(data: bytes) -> str:
    """Return the SHA-256 of the artifact, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def load(data: bytes, sha256: str) -> Any:
    """Load an artifact from the same bytes whose hash was compared.

    Raises:
        ArtifactError: the bytes differ from the recorded ones, or were written by another version of scikit-learn.
    """
    actual = digest(data)
    if not hmac.compare_digest(actual, sha256):
        raise ArtifactError(
            f"the artifact's SHA-256 is {actual[:12]}..., expected {sha256[:12]}...; restore it or train "
            "again"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            return joblib.load(io.BytesIO(data))
    except InconsistentVersionWarning as error:
        raise ArtifactError(
            f"the artifact was written by scikit-learn {error.original_sklearn_version}, this is "
            f"{error.current_sklearn_version}; train again, or install that release"
        ) from error
    except Exception as error:  # a pickle from other library versions may raise anything
        raise ArtifactError(f"the artifact cannot be loaded here: {type(error).__name__}: {error}") from error


def libraries(pipeline: Any) -> dict[str, str]:
    """Return the versions of the libraries that a pipeline trained here depends on."""
    steps = {type(step).__module__.partition(".")[0] for step in pipeline.get_params().values()}
    known = [*LIBRARIES, *(name for name in OPTIONAL_LIBRARIES if name in steps)]
    return {"python": platform.python_version(), **{name: _version(name) for name in known}}


@cache
def _version(library: str) -> str:
    """The version of an installed library; what describes it is a file that takes a millisecond to read."""
    return metadata.version(library)


def record_golden(pipeline: Any, held_out: pd.DataFrame) -> dict[str, Any]:
    """Return a few held-out rows with their probabilities, as JSON values.

    Args:
        held_out: prepared by the contract, shape (rows, features).
    """
    rows = held_out.iloc[:GOLDEN_ROWS]
    records = [
        {
            name: None if pd.isna(value) else value.isoformat() if isinstance(value, pd.Timestamp) else value
            for name, value in record.items()
        }
        for record in rows.to_dict("records")
    ]
    return {"records": records, "proba": pipeline.predict_proba(rows).tolist()}


def check_golden(pipeline: Any, contract: Contract, golden: Mapping[str, Any]) -> None:
    """Score the rows of `record_golden` again.

    Raises:
        ArtifactError: a probability differs from the recorded one.
    """
    expected = np.array(golden["proba"])
    actual = pipeline.predict_proba(contract.frame(golden["records"]))
    if actual.shape != expected.shape or not np.allclose(actual, expected, rtol=0, atol=TOLERANCE):
        raise ArtifactError("the model does not reproduce the predictions recorded at training; train again")
