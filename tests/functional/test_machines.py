"""Two sites as on two machines: state folders of their own, and a database, Redis and a bucket in common."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support import bucket as buckets
from tests.support import services
from tests.support.servers import database, redis_server
from tests.support.site import KEY, ROOT, Site, demo_site, wait_for

pytestmark = pytest.mark.site

BUCKET, PREFIX = "shared", "team/site"


@pytest.fixture(scope="module")
def environment(s3_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What both machines are told."""
    if "postgresql" in services.missing():
        pytest.skip(f"postgresql: {services.missing()['postgresql']}")
    buckets.make_bucket(s3_url, BUCKET)
    with database() as url, redis_server(tmp_path_factory.mktemp("redis")) as queue:
        yield {
            "DATABASE_URL": url,
            "CELERY_BROKER_URL": queue.url,
            "CLFSITE_STORAGE_URL": f"s3://{BUCKET}/{PREFIX}?endpoint_url={s3_url}&region_name={buckets.REGION}",
            "SECRET_KEY": "a-secret-key-that-both-machines-share",
            **buckets.CREDENTIALS,
        }


@pytest.fixture(scope="module")
def machines(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Site]]:
    """One that serves, and one that serves and trains."""
    with demo_site(tmp_path_factory.mktemp("first"), environment) as first:
        second = Site(tmp_path_factory.mktemp("second"), environment)
        try:
            first.serve("--no-worker")
            second.serve("--no-worker")
            second.start("-m", "celery", "-A", "clfsite", "worker", "--pool", "threads", "--loglevel", "info")
            yield first, second
        finally:
            second.stop()


@pytest.fixture(scope="module")
def key(machines: tuple[Site, Site]) -> str:
    scopes = [part for scope in ("train", "read", "activate", "predict") for part in ("--scope", scope)]
    return machines[0].manage("createkey", "trainer", *scopes).strip()


@pytest.fixture(scope="module")
def run(machines: tuple[Site, Site], key: str) -> dict[str, object]:
    """A run asked for on the first machine, trained on the second, and over."""
    table = (ROOT / "data" / "churn.csv").read_bytes().splitlines(keepends=True)[:401]
    with machines[0].client(key) as trainer:
        dataset = trainer.post(
            "/api/datasets",
            data={"name": "small", "target": "churn"},
            files={"file": ("small.csv", b"".join(table))},
        ).json()
        asked = trainer.post(
            "/api/runs",
            json={"dataset": dataset["id"], "space": {"n_estimators": [5]}, "folds": 2, "activate": True},
        )
        assert asked.status_code == httpx.codes.CREATED, asked.text

        def finished() -> dict[str, object] | None:
            result: dict[str, object] = trainer.get(f"/api/runs/{asked.json()['id']}").json()
            return result if result["state"] in {"succeeded", "failed"} else None

        over: dict[str, object] = wait_for(finished, "the run to end", 120)
    assert over["state"] == "succeeded", (over, machines[1].logs())
    assert over["warnings"] == []
    return over


def serves(site: Site, key: str) -> bool:
    with site.client(key) as caller:
        return "small" in [classifier["model"] for classifier in caller.get("/info").json()["classifiers"]]


def answer(site: Site, key: str) -> httpx.Response:
    with site.client(key) as caller:
        served = next(
            classifier
            for classifier in caller.get("/info").json()["classifiers"]
            if classifier["model"] == "small"
        )
        return caller.post("/predict", json={"model": "small", "features": served["example"]})


def test_a_run_asked_for_on_one_machine_is_trained_on_the_other_and_served_by_both(
    machines: tuple[Site, Site], run: dict[str, object], key: str
) -> None:
    answers = []
    for site in machines:
        wait_for(partial(serves, site, key), "the new version to be served", 10)
        result = answer(site, key)
        assert result.status_code == httpx.codes.OK, result.text
        answers.append({name: result.json()[name] for name in ("label", "probabilities", "version")})
    assert answers[0] == answers[1]
    assert answers[0]["version"] == run["version"]


def test_nothing_that_both_need_lies_in_a_state_folder(
    machines: tuple[Site, Site], run: dict[str, object], s3_url: str
) -> None:
    result = buckets.client(s3_url).list_objects_v2(Bucket=BUCKET)["Contents"]
    kinds = {entry["Key"].removeprefix(f"{PREFIX}/").split("/")[0] for entry in result}
    assert kinds == {"datasets", "artifacts"}
    for site in machines:
        names = {path.name for path in Path(site.state).rglob("*") if path.is_file()}
        # the demo's table is where the test wrote it, to be read from there
        assert not [name for name in names - {"churn.csv"} if name.endswith((".csv", ".joblib"))]


def test_a_version_whose_object_was_changed_or_deleted_is_refused_and_the_one_loaded_goes_on(
    machines: tuple[Site, Site], run: dict[str, object], key: str, s3_url: str
) -> None:
    first, second = machines
    wait_for(partial(serves, first, key), "the new version to be served", 10)
    client = buckets.client(s3_url)
    (pipeline,) = [
        entry["Key"]
        for entry in client.list_objects_v2(Bucket=BUCKET)["Contents"]
        if f"/run-{run['id']}/" in entry["Key"] and entry["Key"].endswith("pipeline.joblib")
    ]
    content = client.get_object(Bucket=BUCKET, Key=pipeline)["Body"].read()
    client.put_object(Bucket=BUCKET, Key=pipeline, Body=content[:-1] + bytes([content[-1] ^ 1]))
    with second.client(key) as caller:
        versions = caller.get("/api/versions", params={"page_size": 100}).json()["results"]
        (version,) = [item["id"] for item in versions if item["run"] == run["id"]]
        refused = caller.post(f"/api/versions/{version}/activate", json={"reason": "again"})
        assert refused.status_code == httpx.codes.CONFLICT, refused.text
        assert "SHA-256" in refused.json()["detail"]
        client.delete_object(Bucket=BUCKET, Key=pipeline)
        refused = caller.post(f"/api/versions/{version}/activate", json={"reason": "again"})
        assert "missing from storage" in refused.json()["detail"]
    assert answer(first, key).status_code == httpx.codes.OK


def test_no_secret_stands_in_a_log(machines: tuple[Site, Site], run: dict[str, object], key: str) -> None:
    logs = "".join(site.logs() for site in machines)
    assert not [secret for secret in (buckets.SECRET, KEY, key) if secret in logs]
