"""/metrics of a worker that runs apart from the web server."""

from typing import Any

import httpx
import pytest

from clfsite import worker_metrics


@pytest.fixture(scope="module")
def url() -> str:
    return f"http://127.0.0.1:{worker_metrics.start('127.0.0.1', 0)}"


def test_a_worker_tells_what_it_counts_and_nothing_else(url: str, settings: Any) -> None:
    token = {"Authorization": f"Bearer {settings.CLFSITE_METRICS_TOKEN}"}
    with httpx.Client(base_url=url, trust_env=False) as caller:
        answer = caller.get("/metrics", headers=token)
        assert answer.status_code == 200
        assert "# TYPE clfsite_predictions_total counter" in answer.text
        # the web server tells what the database knows
        assert "clfsite_runs" not in answer.text
        assert caller.get("/health/live").status_code == 200
        assert caller.get("/portal/").status_code == 404


def test_a_worker_asks_for_the_token(url: str, settings: Any) -> None:
    settings.CLFSITE_METRICS_TOKEN = "t0ken"
    with httpx.Client(base_url=url, trust_env=False) as caller:
        assert caller.get("/metrics").status_code == 401
        assert caller.get("/metrics", headers={"Authorization": "Bearer t0ken"}).status_code == 200
