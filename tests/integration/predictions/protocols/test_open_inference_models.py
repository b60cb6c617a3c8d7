"""/v2: who may ask, which model and version answers, what it says of itself and of its health."""

import json

import pytest
from django.test import Client

from tests.integration.conftest import Post
from tests.integration.predictions.protocols.tensors import DATATYPES, INFER, Get, Record, error_of, tensors
from tests.support.factories import ApiKeyFactory, trained_version
from training.models import Version


@pytest.mark.parametrize("address", [INFER, "/v2", "/v2/models/churn", "/v2/models/churn/ready"])
def test_without_a_key_nothing_is_told(client: Client, version: Version, address: str) -> None:
    response = client.post(address, b"{}", "application/json") if address == INFER else client.get(address)
    error_of(response, 401)
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_key_needs_the_scope_predict_to_infer(post: Post, version: Version, example: Record) -> None:
    ApiKeyFactory.create(secret="clf_reader", scopes=("read",))
    error_of(post(INFER, {"inputs": tensors([example])}, key="clf_reader"), 403)


def test_a_pinned_version_answers_though_another_is_active(
    post: Post, version: Version, example: Record
) -> None:
    second = trained_version(classifier="churn", activate=True)
    body = {"inputs": tensors([example])}
    assert post(INFER, body).json()["model_version"] == str(second.number)
    pinned = f"/v2/models/churn/versions/{version.number}/infer"
    assert post(pinned, body).json()["model_version"] == str(version.number)


@pytest.mark.parametrize("number", ["99", "0", "-1", "x", "1.5", "9" * 30, "%00", "٣"])
def test_an_unknown_version_is_not_found(
    post: Post, get: Get, version: Version, example: Record, number: str
) -> None:
    address = f"/v2/models/churn/versions/{number}"
    assert "no version" in error_of(post(f"{address}/infer", {"inputs": tensors([example])}), 404)
    error_of(get(address), 404)
    error_of(get(f"{address}/ready"), 404)


@pytest.mark.parametrize("name", ["nobody", "%00", "..%5C", "x" * 500])
def test_an_unknown_classifier_is_not_found(post: Post, get: Get, version: Version, name: str) -> None:
    assert "no classifier" in error_of(post(f"/v2/models/{name}/infer", {"inputs": []}), 404)
    error_of(get(f"/v2/models/{name}"), 404)


@pytest.mark.parametrize(
    "address",
    ["/v2/models/churn/config", "/v2/logging", "/v2/repository/index", "/v2/x%0Ay", "/v2/../x"],
)
def test_any_other_address_is_not_found_in_the_protocols_words(
    post: Post, get: Get, version: Version, address: str
) -> None:
    error_of(get(address), 404)
    error_of(post(address, {}), 404)


def test_another_method_is_not_allowed(client: Client, db: None) -> None:
    response = client.get(INFER)
    error_of(response, 405)
    assert response["Allow"] == "POST"


def test_metadata_describes_the_tensors_that_infer_takes(get: Get, version: Version, example: Record) -> None:
    second = trained_version(classifier="churn", activate=True)
    body = get("/v2/models/churn").json()
    assert (body["name"], body["versions"]) == ("churn", [str(version.number), str(second.number)])
    assert {tensor["name"]: tensor["datatype"] for tensor in body["inputs"]} == DATATYPES
    assert {tuple(tensor["shape"]) for tensor in body["inputs"]} == {(-1,)}
    predict, proba = body["outputs"]
    assert (predict["name"], predict["datatype"], predict["shape"]) == ("predict", "BYTES", [-1])
    assert (proba["name"], proba["datatype"], proba["shape"]) == ("predict_proba", "FP64", [-1, 2])
    assert json.loads(proba["parameters"]["classes"]) == ["no", "yes"]
    pinned = get(f"/v2/models/churn/versions/{version.number}").json()
    assert pinned["inputs"] == body["inputs"]


def test_a_model_that_can_answer_is_ready(get: Get, version: Version) -> None:
    for address in ("/v2/models/churn/ready", f"/v2/models/churn/versions/{version.number}/ready"):
        assert get(address).json() == {"name": "churn", "ready": True}


def test_the_server_names_itself_and_its_extensions(get: Get) -> None:
    body = get("/v2").json()
    assert body["name"] == "clfsite"
    assert body["extensions"] == ["binary_tensor_data"]


def test_health_needs_no_key(client: Client, version: Version) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"live": True, "ready": True}
    assert client.head("/v2/health/ready").status_code == 200


def test_health_without_an_active_version_is_unavailable(client: Client, db: None) -> None:
    response = client.get("/v2/health/ready")
    assert "no version" in error_of(response, 503)
    assert int(response["Retry-After"]) > 0
    assert client.get("/v2/health/live").status_code == 200


def test_a_slash_at_the_end_is_no_redirect(post: Post, get: Get, version: Version, example: Record) -> None:
    assert post(f"{INFER}/", {"inputs": tensors([example])}).status_code == 200
    assert get("/v2/").status_code == 200
    assert get("/v2/models/churn/").status_code == 200
