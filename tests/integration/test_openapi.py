"""The OpenAPI document is valid, and the site does what it says: calls that schemathesis makes from it."""

# mypy: allow-untyped-calls
# drf-spectacular types its classes and not these functions

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis
import jsonschema
import orjson
import pandas as pd
import pytest
import schemathesis
from django.core.files.base import ContentFile
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.test import Client, override_settings
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from pytest_django import DjangoDbBlocker, Settings
from schemathesis.checks import CheckFunction
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi import checks

from clfsite.core.api.permissions import SCOPES
from predictions.alerts import service
from predictions.alerts.models import Alert, Receiver, Silence
from predictions.alerts.service import Finding, sync
from predictions.batches.models import Batch
from predictions.batches.service import create_batch, execute_batch
from predictions.feedback.service import give_feedback
from predictions.keys import service as keys
from predictions.models import Feedback, Prediction
from tests.integration.conftest import in_folder
from tests.support.factories import (
    BatchFactory,
    ClassifierFactory,
    DatasetFactory,
    PredictionFactory,
    RunFactory,
    VersionFactory,
    tiny_csv,
    trained_version,
)
from tests.support.portal import staff_client
from training.models import Dataset, Run, Version

SECRET = "clf_secret-of-schemathesis"
CHECKS: list[CheckFunction] = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
    checks.ignored_auth,
]
EXAMPLES, SEED = 12, 1
HEADERS = {"Authorization": f"Bearer {SECRET}"}
WSGI = get_wsgi_application()
DOCUMENT: dict[str, Any] = orjson.loads(orjson.dumps(SchemaGenerator().get_schema(public=True)))
CONFIG = SchemathesisConfig.from_dict(
    {"seed": SEED, "generation": {"deterministic": True, "max-examples": EXAMPLES}}
)
CALLS = [(method.upper(), path) for path, calls in DOCUMENT["paths"].items() for method in calls]


@pytest.fixture(scope="module")
def document() -> BaseSchema:
    """The document as schemathesis reads it, with the site to call."""
    schema = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)
    schema.app = application
    return schema


@pytest.fixture(params=CALLS, ids=" ".join)
def operation(document: BaseSchema, request: pytest.FixtureRequest) -> Any:
    """One call of the document."""
    method, path = request.param
    return document[path][method]


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The site, which closes each answer itself, as servers do and schemathesis does not."""
    response: Any = WSGI(environ, start_response)
    content = b"".join(response)
    response.close()
    return [content]


@dataclass(frozen=True)
class There:
    """What the site of these tests holds."""

    prediction: Prediction
    runs: list[Run]
    versions: list[Version]
    dataset: Dataset
    newer: Dataset
    batch: Batch
    waiting: Batch
    cancelled: Batch
    cancelled_run: Run
    searching: Run
    alert: Alert
    receiver: Receiver
    silence: Silence

    @property
    def record(self) -> dict[str, Any]:
        """A row that the active version accepts."""
        return self.versions[0].contract.example

    def address(self, path: str) -> dict[str, Any]:
        """Values for the path's parameters under which there is something."""
        rows = {
            "/api/batches/{id}/start": self.waiting,
            "/api/batches/{id}/cancel": self.waiting,
            "/api/batches/{id}/resume": self.cancelled,
            "/api/batches": self.batch,
            "/api/datasets/{id}/changes": self.newer,
            "/api/datasets": self.dataset,
            "/api/predictions": self.prediction,
            "/api/runs/{id}/resume": self.cancelled_run,
            "/api/runs/{id}/stop": self.searching,
            "/api/runs": self.runs[0],
            "/api/versions": self.versions[1],
            "/api/alerts": self.alert,
            "/api/receivers": self.receiver,
            "/api/silences": self.silence,
        }
        values = {"model": "churn", "name": "churn", "version": "1"}
        row = next((row for start, row in rows.items() if path.startswith(start)), None)
        return values | ({"id": str(row.pk)} if row else {})


@pytest.fixture(scope="module")
def stored(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[There, Path]]:
    """What all tests find, with the folder of its files, in a transaction around those of the tests."""
    state = tmp_path_factory.mktemp("openapi")
    around = transaction.atomic()
    with django_db_blocker.unblock(), override_settings(**in_folder(state)):
        around.__enter__()
        result = fill()
    yield result, state
    with django_db_blocker.unblock():
        transaction.set_rollback(True)
        around.__exit__(None, None, None)


@pytest.fixture
def there(stored: tuple[There, Path], settings: Settings, db: None) -> Iterator[There]:
    """What is stored, for a test that may change it, while requests leave the connection of its transaction open."""
    result, state = stored
    shutil.copytree(state, settings.STATE_DIR)
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield result
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def fill() -> There:
    """Store something behind each address, and a key that may do everything."""
    versions = [
        trained_version(classifier="churn", activate=active, default=active) for active in (True, False)
    ]
    prediction = PredictionFactory.create(version=versions[0], reference="order-1001")
    judged = PredictionFactory.create(version=versions[0], reference="order-0999")
    give_feedback(prediction_id=judged.pk, label="no", actor="tests", source=Feedback.Source.API)
    sync(versions[0], [Finding("drift", "tenure has moved.", "tenure")], {"drift"})
    dataset = versions[1].run.dataset
    keys.create(name="schemathesis", scopes=list(SCOPES), secret=SECRET)
    batch = create_batch(
        source=ContentFile(csv_of([versions[0].contract.example] * 3) + b"short\n"),
        caller="tests",
        mode="lenient",
    )
    execute_batch(batch)
    waiting = BatchFactory.create(version=versions[0], checked=True)
    cancelled, cancelled_run = BatchFactory.create(version=versions[0]), RunFactory.create(dataset=dataset)
    for job in (cancelled, cancelled_run):
        job.request_cancel()
    return There(
        prediction,
        [RunFactory.create(dataset=dataset)],
        versions,
        dataset,
        DatasetFactory.create(name=dataset.name, number=2, target="plan"),
        batch,
        waiting,
        cancelled,
        cancelled_run,
        RunFactory.create(dataset=dataset, running=True, recipe_data={"max_minutes": 5}),
        Alert.objects.get(),
        Receiver.objects.create(name="chat", kind="webhook", target="https://example.org/", events=["alert"]),
        service.silence(
            versions[0].classifier, until=timezone.now() + timedelta(days=1), reason="a test", actor="tests"
        ),
    )


def test_every_call_answers_as_documented(operation: Any, document: BaseSchema, there: There) -> None:
    """Whatever a call sends, to an address of its own making and to one where there is something."""

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def ask(case: Any) -> None:
        case.call_and_validate(headers=HEADERS, checks=CHECKS)
        if case.path_parameters:
            known = there.address(case.path)
            case.path_parameters.update({name: known[name] for name in case.path_parameters})
            case.call_and_validate(headers=HEADERS, checks=CHECKS)

    # made here and not by `schema.parametrize`, which makes all of them in every process that collects tests
    config = HypothesisTestConfig(project=document.config, modes=list(HypothesisTestMode), seed=SEED)
    create_test(operation=operation, test_func=ask, config=config)()


def csv_of(rows: list[dict[str, Any]]) -> bytes:
    """A CSV file of these rows."""
    return pd.DataFrame(rows).to_csv(index=False).encode()


# for each call what it takes to be answered; the rest of the address comes from `There.address`
GOOD: dict[str, Callable[[There], dict[str, Any]]] = {
    "api_datasets_create": lambda there: {
        "body": {"name": "more", "target": "left", "file": tiny_csv(seed=3)},
        "media_type": "multipart/form-data",
    },
    "api_batches_create": lambda there: {
        "body": {"file": csv_of([there.record]), "mode": "lenient"},
        "media_type": "multipart/form-data",
    },
    "api_batches_start_create": lambda there: {"body": {"mode": "strict"}},
    "api_batches_resume_create": lambda there: {},
    "api_batches_cancel_create": lambda there: {},
    "api_runs_create": lambda there: {"body": {"dataset": there.dataset.pk, "space": {"n_estimators": [5]}}},
    "api_runs_resume_create": lambda there: {},
    "api_runs_cancel_create": lambda there: {},
    "api_runs_stop_create": lambda there: {},
    "api_classifiers_partial_update": lambda there: {"body": {"owner": "the team", "tags": ["new"]}},
    "api_classifiers_destroy": lambda there: {"address": {"name": archived(ClassifierFactory).name}},
    "api_datasets_partial_update": lambda there: {"body": {"archived": True}},
    "api_datasets_destroy": lambda there: {"address": {"id": str(archived(DatasetFactory).pk)}},
    "api_runs_partial_update": lambda there: {"body": {"archived": False}},
    "api_runs_destroy": lambda there: {"address": {"id": str(archived(RunFactory).pk)}},
    "api_versions_partial_update": lambda there: {"body": {"archived": True}},
    "api_versions_destroy": lambda there: {"address": {"id": str(archived(VersionFactory).pk)}},
    "api_versions_activate_create": lambda there: {"body": {"reason": "it is better"}},
    "api_versions_retrain_create": lambda there: {"body": {}},
    "api_versions_compare_retrieve": lambda there: {
        "query": {"ids": ",".join(str(version.pk) for version in there.versions)}
    },
    "upload_feedback": lambda there: {
        "body": {"file": csv_of([{"id": there.prediction.pk, "label": "no"}])},
        "media_type": "multipart/form-data",
    },
    "api_alerts_acknowledge_create": lambda there: {"body": {"note": "looking"}},
    "api_alerts_close_create": lambda there: {"body": {}},
    "api_receivers_create": lambda there: {
        "body": {"name": "team", "kind": "slack", "target": "https://example.org/x", "events": ["run"]}
    },
    "api_receivers_partial_update": lambda there: {"body": {"enabled": False}},
    "api_receivers_test_create": lambda there: {},
    "api_classifiers_alerts_partial_update": lambda there: {"body": {"rule": "accuracy", "value": 0.1}},
    "api_classifiers_silences_create": lambda there: {"body": {"until": "2999-01-01", "reason": "a test"}},
    "api_erasures_create": lambda there: {"body": {"reference": "order-0999", "reason": "a test"}},
    "dataset_from_log": lambda there: {"body": {"since": "2000-01-01", "with_table": True}},
    "change_retention": lambda there: {"body": {"days": 90}},
    "change_retraining": lambda there: {"body": {"every_days": 30}},
    "give_feedback_by_reference": lambda there: {
        "body": {"reference": there.prediction.reference, "label": "yes"}
    },
    "give_feedback": lambda there: {"body": {"label": "yes"}},
    "predict": lambda there: {"body": {"features": there.record}},
    "predict_batch": lambda there: {"body": {"records": [there.record] * 3}},
    "mlflow_invocations": lambda there: {"body": {"dataframe_records": [there.record] * 3}},
    "v2_infer": lambda there: {"body": {"id": "1", "inputs": tensors_of(there.record)}},
    "v2_version_infer": lambda there: {"body": {"inputs": tensors_of(there.record)}},
}


def archived(factory: Any) -> Any:
    """A row that has been archived for an hour, and to which no other row refers."""
    return factory.create(archived_at=timezone.now() - timedelta(hours=1))


def tensors_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The record's tensors, of one row each."""
    kinds = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}
    return [
        {"name": name, "datatype": kinds[type(value)], "shape": [1], "data": [value]}
        for name, value in record.items()
    ]


def test_every_call_answers_a_good_request_in_the_documented_shape(operation: Any, there: There) -> None:
    names = re.findall(r"{(\w+)}", operation.path)
    good = GOOD.get(operation.definition.raw["operationId"], lambda there: {})(there)
    address = good.pop("address", there.address(operation.path))
    if "body" in good:
        good.setdefault("media_type", "application/json")
    case = operation.Case(path_parameters={name: address[name] for name in names}, **good)
    response = case.call_and_validate(headers=HEADERS, checks=CHECKS[:5])
    assert response.status_code in {200, 201, 204}


def test_the_document_is_valid_and_is_what_callers_download(client: Client) -> None:
    validate_schema(DOCUMENT)
    accept = {"accept": "application/vnd.oai.openapi+json"}
    assert client.get("/api/schema", headers=accept).json() == DOCUMENT


def test_every_example_for_someone_who_may_look_is_answered_as_it_is(there: There) -> None:
    looking, calling = staff_client(), Client(headers=HEADERS)
    document = looking.get("/api/schema", headers={"accept": "application/vnd.oai.openapi+json"}).json()
    sent = 0
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            filled = path.format(**there.address(path)) if "{" in path else path
            for media_type, media in call.get("requestBody", {}).get("content", {}).items():
                for example in media.get("examples", {}).values():
                    value = example["value"]
                    if media_type.startswith("multipart"):
                        file = ContentFile(value["file"].encode(), name="example.csv")
                        response = calling.post(filled, {**value, "file": file})
                    else:
                        body = value if media_type == "text/csv" else orjson.dumps(value)
                        response = getattr(calling, method)(filled, body, content_type=media_type)
                    assert 200 <= response.status_code < 300, (path, value, response.content)
                    sent += 1
    assert sent >= 16


def test_the_contract_is_in_the_document_only_for_people_who_may_look(there: There, client: Client) -> None:
    accept = {"accept": "application/vnd.oai.openapi+json"}
    feature = next(iter(there.record))
    assert f'"{feature}"' in staff_client().get("/api/schema", headers=accept).content.decode()
    assert f'"{feature}"' not in client.get("/api/schema", headers=accept).content.decode()


def test_every_call_has_a_title_and_stands_in_a_group_that_says_what_for() -> None:
    calls = [call for path in DOCUMENT["paths"].values() for call in path.values()]
    assert [call["operationId"] for call in calls if not call.get("summary")] == []
    assert {name for call in calls for name in call["tags"]} == {tag["name"] for tag in DOCUMENT["tags"]}


def plain(part: Any) -> Any:
    """A schema of the document as JSON Schema: references resolved, null where it is allowed."""
    if isinstance(part, list):
        return [plain(item) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return plain(DOCUMENT["components"]["schemas"][part["$ref"].rpartition("/")[2]])
    # a text that is empty or an address is both for who does not check formats
    names = {"oneOf": "anyOf"}
    result = {names.get(name, name): plain(item) for name, item in part.items() if name != "nullable"}
    return {"anyOf": [result, {"type": "null"}]} if part.get("nullable") else result


def bodies(operation: Any) -> Iterator[dict[str, Any]]:
    """The media types of an operation's request and good answers, but those of bytes."""
    raw = operation.definition.raw
    parts = [raw.get("requestBody", {})]
    parts += [response for status, response in raw["responses"].items() if int(status) < 400]
    for part in parts:
        for name, media in part.get("content", {}).items():
            if name != "application/octet-stream":
                yield media


def test_every_call_has_examples_of_the_documented_shape(operation: Any) -> None:
    media = list(bodies(operation))
    assert media or "204" in operation.definition.raw["responses"]
    for item in media:
        examples = [one["value"] for one in item.get("examples", {}).values()] or [item.get("example")]
        for example in examples:
            assert example is not None
            jsonschema.validate(example, plain(item["schema"]))
