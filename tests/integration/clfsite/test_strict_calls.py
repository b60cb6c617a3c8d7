"""Every call refuses what it does not know: members, parameters, numbers that are none, cursors of somebody's making."""

import base64
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clfsite.core.api.permissions import SCOPES
from tests.integration.clfsite.test_access import API, SERVING, arguments
from tests.support.factories import (
    ApiKeyFactory,
    BatchFactory,
    DatasetFactory,
    PredictionFactory,
    RunFactory,
    tiny,
    tiny_csv,
)
from training.ml.search.recipe import Recipe
from training.models import Dataset, Run
from training.runs.serializers import RecipeSerializer

__all__ = ["arguments"]

pytestmark = [pytest.mark.django_db, pytest.mark.promise(8)]
SECRET = "clf_may-do-all"
LISTS = [name for name, methods in API.items() if name.endswith("-list")]
# calls whose bodies are forms, with what each needs to be accepted
FORMS: dict[str, dict[str, Any]] = {
    "api:dataset-list": {"name": "more", "target": "left"},
    "api:batch-list": {"mode": "lenient"},
    "api:feedback": {},
}


@pytest.fixture
def caller(db: None) -> Client:
    """A program whose key may do everything."""
    ApiKeyFactory.create(secret=SECRET, scopes=tuple(SCOPES))
    return Client(headers={"authorization": f"Bearer {SECRET}"})


def post(caller: Client, path: str, body: Any) -> Any:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return caller.post(path, data, content_type="application/json")


def errors(response: Any) -> list[dict[str, Any]]:
    assert response.status_code in {400, 422}, (response.status_code, response.content[:300])
    result: list[dict[str, Any]] = response.json()["errors"]
    return result


def test_no_call_takes_a_parameter_that_it_does_not_know(
    caller: Client, arguments: dict[str, list[Any]]
) -> None:
    paths = [(reverse(name, args=arguments.get(name, [])), list(item)) for name, item in API.items()]
    paths += [(path, list(methods)) for path, methods in SERVING.values()]
    for path, methods in paths:
        for method in methods:
            response = caller.generic(method, f"{path}?modle=x", b"{}", content_type="application/json")
            assert response.status_code == 400, (method, path, response.status_code)
            assert 'unknown parameter "modle"' in response.content.decode().replace('\\"', '"'), path


def test_no_call_takes_a_member_that_it_does_not_know(
    caller: Client, arguments: dict[str, list[Any]]
) -> None:
    for name, methods in API.items():
        if "POST" not in methods:
            continue
        path = reverse(name, args=arguments.get(name, []))
        if name in FORMS:
            file = SimpleUploadedFile("t.csv", tiny_csv(seed=9))
            response = caller.post(path, {**FORMS[name], "file": file, "zz": "1"})
        else:
            response = post(caller, path, {"zz": 1})
        assert "zz" in {error["field"] for error in errors(response)}, name
    for path, several in SERVING.values():
        if "POST" in several:
            response = post(caller, path, {"zz": 1})
            assert response.status_code == 400, path
            assert "zz" in response.content.decode() or "missing" in response.content.decode(), path


@pytest.mark.parametrize(
    ("path", "body", "field", "words"),
    [
        ("/api/runs", {"dataset": 1, "clas_weight": "balanced"}, "clas_weight", "did you mean class_weight?"),
        ("/api/runs", {"dataset": 1, "activat": True}, "activat", "did you mean activate?"),
        ("/predict", {"features": {}, "modell": "churn"}, "modell", "did you mean model?"),
        ("/predict-batch", {"recods": []}, "recods", "did you mean records?"),
        ("/api/runs", {"dataset": 1, "aim": {"gaol": "f1"}}, "aim.gaol", "did you mean goal?"),
        ("/api/runs", {"dataset": 1, "recipe": {"fold": 3}}, "recipe.fold", "did you mean folds?"),
        ("/api/runs", {"dataset": 1, "corrections": {"strickt": True}}, "corrections.strickt", "strict?"),
    ],
)
def test_a_name_mistyped_is_told_with_its_path_and_the_one_that_was_meant(
    path: str, body: Any, field: str, words: str, caller: Client
) -> None:
    result = {error["field"]: error["message"] for error in errors(post(caller, path, body))}
    assert words in result[field]
    assert result[field].startswith("unknown member")


def test_a_form_field_mistyped_or_given_twice_is_told(caller: Client) -> None:
    data = {"file": SimpleUploadedFile("t.csv", b"a\n1\n"), "preveiw": "true"}
    (fault,) = errors(caller.post("/api/batches", data))
    assert (fault["field"], fault["message"]) == (
        "preveiw",
        'unknown member "preveiw"; did you mean preview?',
    )
    data = {"file": SimpleUploadedFile("t.csv", b"a\n1\n"), "mode": ["strict", "lenient"]}
    assert errors(caller.post("/api/batches", data))[0]["field"] == "mode"


WRONG = [
    (b'{"dataset": 1e400}', "dataset"),
    (b'{"dataset": 1.5}', "dataset"),
    (b'{"dataset": true}', "dataset"),
    (b'{"dataset": "1"}', "dataset"),
    (b'{"dataset": 99999999999999999999}', "dataset"),
    (b'{"dataset": ' + b"9" * 5_000 + b"}", "dataset"),
    (b'{"dataset": -1}', "dataset"),
    (b'{"dataset": null}', "dataset"),
    (b'{"dataset": 1, "folds": 3.0}', "folds"),
    (b'{"dataset": 1, "folds": "3"}', "folds"),
    (b'{"dataset": 1, "folds": true}', "folds"),
    (b'{"dataset": 1, "seed": 1e30}', "seed"),
    (b'{"dataset": 1, "max_minutes": "5"}', "max_minutes"),
    (b'{"dataset": 1, "max_minutes": false}', "max_minutes"),
    (b'{"dataset": 1, "activate": 1}', "activate"),
    (b'{"dataset": 1, "activate": "yes"}', "activate"),
    (b'{"dataset": 1, "scoring": 5}', "scoring"),
    (b'{"dataset": 1, "aim": "recall"}', "aim"),
    (b'{"dataset": 1, "aim": 0.8}', "aim"),
    (b'{"dataset": 1, "aim": {"value": 0.8}}', "aim.goal"),
    (b'{"dataset": 1, "aim": {"goal": "recall", "value": "0.8"}}', "aim.value"),
    (b'{"dataset": 1, "aim": {"goal": "recall", "value": 1e400}}', "aim.value"),
    (b'{"dataset": 1, "aim": {"goal": "recall", "value": 7}}', "aim.value"),
    (b'{"dataset": 1, "space": {"max_depth": [1, 1e400]}}', "space.max_depth.1"),
    (b'{"dataset": 1, "space": [1]}', "space"),
    (b'{"dataset": 1, "corrections": {"columns": {"a": "numbr"}}}', "corrections.columns.a"),
    (b'{"dataset": 1, "recipe": "random_forest"}', "recipe"),
    (b'{"dataset": 1, "recipe": {"aim": {"value": 1}}}', "recipe.aim.goal"),
]


@pytest.mark.parametrize(("body", "field"), WRONG)
def test_a_wrong_value_is_told_with_its_whole_path(body: bytes, field: str, caller: Client) -> None:
    result = errors(post(caller, "/api/runs", body))
    assert field in {item["field"] for item in result}, result
    assert not Run.objects.exists()


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    "query",
    [
        "model=%00",
        "limit=-1",
        "dataset=99999999999999999999",
        "ordering=password",
        "format=json",
        "format=xml",
        "cursor=!!!",
        "cursor=",
        "page_size=-1",
        "page_size=0",
        "page_size=501",
        "page_size=1e2",
        "page_size=",
        "page_size=%D9%A1",
        "page_size=1&page_size=2",
    ],
)
def test_a_list_refuses_what_it_would_have_to_overlook(name: str, query: str, caller: Client) -> None:
    response = caller.get(f"{reverse(name)}?{query}")
    assert response.status_code == 400, (query, response.content[:200])
    assert query.partition("=")[0] in response.content.decode()


def rows_of_every_list() -> None:
    RunFactory.create_batch(3)
    batch = BatchFactory.create()
    BatchFactory.create_batch(2, version=batch.version)
    PredictionFactory.create_batch(3, version=batch.version)


def test_pages_lead_on_and_back_and_a_cursor_is_good_for_its_own_list_alone(caller: Client) -> None:
    rows_of_every_list()
    lists = [reverse(f"api:{name}-list") for name in ("run", "batch", "prediction", "dataset")]
    for path in lists:
        first = caller.get(f"{path}?page_size=1").json()
        second = caller.get(first["next"]).json()
        assert caller.get(second["previous"]).json()["results"] == first["results"]
        assert second["results"] != first["results"]
        cursor = first["next"].partition("cursor=")[2].partition("&")[0]
        for other in lists:
            assert (caller.get(f"{other}?cursor={cursor}").status_code == 200) == (other == path)


# what a cursor of DRF's making would hold
CRAFTED = st.one_of(
    st.text(max_size=60),
    st.binary(max_size=60).map(lambda data: base64.b64encode(data).decode()),
    st.builds(
        lambda position, offset, reverse: base64.b64encode(
            f"p={position}&o={offset}&r={reverse}".encode()
        ).decode(),
        st.text(max_size=30) | st.integers().map(str) | st.uuids().map(str),
        st.integers() | st.text(max_size=5),
        st.integers() | st.text(max_size=5),
    ),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=10)), max_size=4).map(
        lambda value: signing.dumps(value, key="another site's", salt="cursor of training.run")
    ),
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(token=CRAFTED, name=st.sampled_from(LISTS))
def test_a_cursor_that_is_not_ours_is_refused_as_such(token: str, name: str, caller: Client) -> None:
    response = caller.get(reverse(name), {"cursor": token})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "cursor"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    token=st.one_of(
        st.text(
            st.characters(exclude_characters="/?#%\\.", exclude_categories=["Cs"]), min_size=1, max_size=40
        ),
        st.uuids().map(lambda key: key.hex),
        st.uuids().map(lambda key: f"{{{key}}}"),
        st.uuids().map(str),
    )
)
def test_an_id_that_is_not_ours_names_nothing(token: str, caller: Client) -> None:
    for path, method in (("/api/predictions/{}", "get"), ("/api/predictions/{}/feedback", "post")):
        response = getattr(caller, method)(
            # the test client drops line ends of an address that are not encoded
            path.format(quote(token, safe="")),
            **({"data": b'{"label": "yes"}', "content_type": "application/json"} if method == "post" else {}),
        )
        assert response.status_code == 404, (path, response.content[:200])


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(token=st.text(max_size=300))
def test_an_idempotency_key_is_taken_or_refused(token: str, caller: Client) -> None:
    response = caller.post(
        "/predict", b'{"features": {}}', content_type="application/json", headers={"idempotency-key": token}
    )
    printable = token.isascii() and token.isprintable() and 0 < len(token) <= 255
    # no version is active, so a key that could be taken meets that
    assert response.status_code == (503 if printable else 400)


def test_what_get_tells_of_a_run_can_be_sent_back_and_means_the_same(caller: Client) -> None:
    recipe: dict[str, Any] = {
        "estimator": "logistic_regression",
        "folds": 3,
        "aim": {"goal": "recall", "value": 0.8},
    }
    body = {"dataset": DatasetFactory.create().pk, "classifier": "mine", "recipe": recipe}
    first = post(caller, "/api/runs", body)
    assert first.status_code == 201, first.content
    answer = caller.get(f"/api/runs/{first.json()['id']}").json()
    # the positive class is that of the dataset where the recipe names none
    assert answer["recipe"] == {**Recipe(**recipe).to_dict(), "positive": "yes"}
    again = post(caller, "/api/runs", answer)
    assert again.status_code == 201, again.content
    same = ("dataset", "classifier", "recipe", "corrections")
    assert [again.json()[name] for name in same] == [answer[name] for name in same]
    assert again.json()["id"] != answer["id"]


def test_a_recipe_stands_in_one_place(caller: Client) -> None:
    body = {"dataset": DatasetFactory.create().pk, "recipe": {"folds": 3}, "folds": 4}
    assert [error["field"] for error in errors(post(caller, "/api/runs", body))] == ["folds"]


def test_a_recipe_of_the_api_has_every_part_of_a_recipe() -> None:
    assert list(RecipeSerializer().fields) == list(Recipe().to_dict())


@pytest.mark.parametrize("aim", ["recall=0.8", {"goal": "recall", "value": 0.8}])
def test_an_aim_is_read_in_both_notations(aim: Any, caller: Client) -> None:
    body = {"dataset": DatasetFactory.create().pk, "aim": aim}
    response = post(caller, "/api/runs", body)
    assert response.status_code == 201, response.content
    assert response.json()["recipe"]["aim"] == {"goal": "recall", "value": 0.8}


def test_a_refused_value_of_a_record_has_its_path(caller: Client, arguments: dict[str, list[Any]]) -> None:
    record = tiny().contract.example
    records = [record, {**record, "tenure": "five"}]
    (fault,) = errors(post(caller, "/predict-batch", {"records": records}))
    assert (fault["row"], fault["feature"], fault["field"]) == (1, "tenure", "records.1.tenure")
    (fault,) = errors(post(caller, "/predict", {"features": records[1]}))
    assert fault["field"] == "features.tenure"
    answer = errors(post(caller, "/predict", {"features": {**record, "tenur": 5}}))
    assert "did you mean tenure?" in answer[0]["message"]


def test_nothing_is_stored_by_a_form_with_an_unknown_field(caller: Client) -> None:
    data = {"name": "t", "target": "left", "file": SimpleUploadedFile("t.csv", tiny_csv()), "targt": "left"}
    assert errors(caller.post("/api/datasets", data))[0]["field"] == "targt"
    assert not Dataset.objects.exists()
