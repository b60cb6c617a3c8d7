"""The running site that the environment names, for all clients of the serving protocols, and rows with their answers.

These tests run in the clients' own environment, without Django and what else the site needs: `../test_clients.py` starts
the site and calls them.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

# MLflow reports its use over the network from the moment it is imported
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
KEY = os.environ["CLIENTS_KEY"]
ROWS = 40
DTYPES = {"FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}


@dataclass(frozen=True)
class Site:
    """Where the site answers."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx.Client:
        """A caller with a key."""
        return httpx.Client(base_url=self.url, headers=headers(), timeout=30, trust_env=False)


@pytest.fixture(scope="session")
def site() -> Site:
    return Site(int(os.environ["CLIENTS_PORT"]))


@pytest.fixture(scope="session")
def served(site: Site) -> dict[str, Any]:
    """What /info tells of the demo classifier."""
    with site.client() as caller:
        result: dict[str, Any] = caller.get("/info").json()["classifiers"][0]
    return result


@pytest.fixture(scope="session")
def table(served: dict[str, Any]) -> pd.DataFrame:
    """Rows of the demo table with the columns of the contract, numbers missing where they may be."""
    features = served["contract"]["features"]
    frame = pd.read_csv(os.environ["CLIENTS_TABLE"])[[feature["name"] for feature in features]].head(ROWS)
    for feature in features:
        if feature["missing"] and feature["kind"] != "category":
            frame[feature["name"]] = frame[feature["name"]].astype(float)
            frame.loc[::7, feature["name"]] = np.nan
    return frame


@pytest.fixture(scope="session")
def expected(site: Site, table: pd.DataFrame) -> tuple[list[str], list[list[float]]]:
    """The labels and probabilities that /predict-batch gives these rows."""
    records = json.loads(table.to_json(orient="records", double_precision=15))
    with site.client() as caller:
        answers = caller.post("/predict-batch", json={"records": records}).json()["predictions"]
    return [answer["label"] for answer in answers], [
        list(answer["probabilities"].values()) for answer in answers
    ]


def headers() -> dict[str, str]:
    """The key's header; always a new mapping, as Triton's client writes headers of its own into it."""
    return {"Authorization": f"Bearer {KEY}"}


def columns(table: pd.DataFrame, metadata: dict[str, Any]) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield (name, datatype, array) of the tensors that a model's metadata asks for."""
    for tensor in metadata["inputs"]:
        yield tensor["name"], tensor["datatype"], table[tensor["name"]].to_numpy(DTYPES[tensor["datatype"]])
