"""MLflow's `ScoringServerClient`, which takes no headers: the key stands in the address, as a password."""

# mypy: allow-untyped-calls

from typing import Any

import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

from tests.functional.clients.conftest import KEY, Site


@pytest.fixture
def client(site: Site) -> ScoringServerClient:
    return ScoringServerClient(f"key:{KEY}@127.0.0.1", site.port)


def test_it_finds_the_site_ready(client: ScoringServerClient) -> None:
    client.wait_server_ready(timeout=5)
    assert client.get_version().startswith("2.")


def test_a_frame_is_answered_as_by_predict_batch(
    client: ScoringServerClient, table: pd.DataFrame, expected: Any
) -> None:
    assert client.invoke(table)["predictions"] == expected[0]
    params = {"model": "churn", "version": 1, "pyfunc_predict_fn": "predict_proba"}
    assert client.invoke(table, params=params)["predictions"] == expected[1]


def test_records_with_missing_numbers_are_answered(
    client: ScoringServerClient, table: pd.DataFrame, expected: Any
) -> None:
    assert client.invoke(table.to_dict(orient="records"))["predictions"] == expected[0]


def test_a_refusal_reaches_the_caller(client: ScoringServerClient, table: pd.DataFrame) -> None:
    with pytest.raises(Exception, match=r"error code 422.*this feature has no column"):
        client.invoke(table.drop(columns=table.columns[0]))


def test_a_wrong_key_is_refused(site: Site, table: pd.DataFrame) -> None:
    with pytest.raises(Exception, match=r"error code 401.*UNAUTHENTICATED"):
        ScoringServerClient("key:wrong@127.0.0.1", site.port).invoke(table)
