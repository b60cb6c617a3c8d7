"""One running site for all the clients that the serving protocols are for, and rows with their answers."""

import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.site import KEY, Site, demo_site

# MLflow reports its use over the network from the moment it is imported
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
ROWS = 40
DTYPES = {"FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with demo_site(tmp_path_factory.mktemp("site")) as site:
        site.serve()
        yield site


@pytest.fixture(scope="package")
def served(site: Site) -> dict[str, Any]:
    """What /info tells of the demo classifier."""
    with site.client() as caller:
        found: dict[str, Any] = caller.get("/info").json()["classifiers"][0]
    return found


@pytest.fixture(scope="package")
def table(site: Site, served: dict[str, Any]) -> pd.DataFrame:
    """Rows of the demo table with the columns of the contract, numbers missing where they may be."""
    features = served["contract"]["features"]
    frame = pd.read_csv(site.state / "churn.csv")[[feature["name"] for feature in features]].head(ROWS)
    for feature in features:
        if feature["missing"] and feature["kind"] != "category":
            frame[feature["name"]] = frame[feature["name"]].astype(float)
            frame.loc[::7, feature["name"]] = np.nan
    return frame


@pytest.fixture(scope="package")
def expected(site: Site, table: pd.DataFrame) -> tuple[list[str], list[list[float]]]:
    """The labels and probabilities that /predict-batch gives these rows."""
    records = json.loads(table.to_json(orient="records", double_precision=15))
    with site.client() as caller:
        answers = caller.post("/predict-batch", json={"records": records}).json()["predictions"]
    return [each["label"] for each in answers], [list(each["probabilities"].values()) for each in answers]


def headers() -> dict[str, str]:
    """The key's header; always a new mapping, as Triton's client writes headers of its own into it."""
    return {"Authorization": f"Bearer {KEY}"}


def columns(table: pd.DataFrame, metadata: dict[str, Any]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (name, datatype, array) of the tensors that a model's metadata asks for."""
    for tensor in metadata["inputs"]:
        yield tensor["name"], tensor["datatype"], table[tensor["name"]].to_numpy(DTYPES[tensor["datatype"]])
