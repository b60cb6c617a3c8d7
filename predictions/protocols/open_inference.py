"""The Open Inference Protocol v2 over HTTP, for the clients of Triton, KServe and MLServer.

One input tensor per feature, JSON or binary; the outputs are `predict`, `predict_proba` and, if the
classifier lists the labels that cannot be excluded, `predict_set`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema, extend_schema_view

from clfsite.core.errors import Malformed, NotFound, Unavailable
from clfsite.core.requests.members import read_object, shorten
from clfsite.core.requests.strict_json import check_media_type, parse_json, read_bytes, repeated
from predictions.keys import service as keys
from predictions.models import Prediction
from predictions.protocols import open_inference_schema as schema
from predictions.protocols.tensors import (
    FLOATS,
    INTEGERS,
    Tail,
    Tensor,
    parameters_of,
    read_tensor,
    write_bytes,
    write_floats,
)
from predictions.protocols.view import OPEN, ProtocolView
from predictions.serving import health, predict
from predictions.serving.api import ScoringView
from predictions.serving.live_models import Live, live_models
from predictions.serving.sets import check_sets
from training.ml.judge.sets import are_in_set
from training.ml.tables.checks import read_cell
from training.ml.tables.contract import TEXTS, Contract, Feature, Kind
from training.models import Version

PREDICT, PREDICT_PROBA, PREDICT_SET = OUTPUTS = ("predict", "predict_proba", "predict_set")
JSON, BINARY = "application/json", "application/octet-stream"
# Triton's client sends no Content-Type
REQUEST_TYPES = (JSON, BINARY, "")
HEADER_LENGTH = "Inference-Header-Content-Length"
# KServe sends model_name and model_version, but only the address counts
MEMBERS = ("id", "model_name", "model_version", "parameters", "outputs")
MAX_DIGITS = 9
MOST_LISTED = 20
READING = frozenset({"predict", "read"})


class OpenInferenceView(ProtocolView):
    """Reports errors like the protocol: a single text."""

    def problem_body(self, status: int, message: str) -> dict[str, str]:
        """Return the message as the member that clients show."""
        return {"error": message}

    def live(self) -> Live:
        """The version of the address.

        Raises:
            NotFound, Unavailable: see `LiveModels.get`.
        """
        model, version = self.kwargs["model"], self.kwargs.get("version")
        if version is None:
            return live_models.get(model)
        if not (version.isascii() and version.isdigit() and len(version) <= MAX_DIGITS and int(version)):
            raise NotFound(
                f"there is no version {version[:20]!r} of {model[:100]!r}; versions are whole numbers"
            )
        return live_models.get(model, int(version))


@extend_schema(exclude=True)
class UnknownView(OpenInferenceView):
    """All other addresses of the protocol, with errors in its format."""

    call = "v2-unknown"

    def enter(self, request: HttpRequest) -> keys.KeyCaller:
        raise NotFound("no such address; /docs lists all addresses")


class LiveView(OpenInferenceView):
    """The process answers; asks nothing of the database."""

    call = "v2-live"
    authentication_classes = []
    parameters = None
    scopes = {"get": OPEN, "head": OPEN}

    @extend_schema(**schema.LIVE)
    def get(self, request: HttpRequest, caller: keys.KeyCaller) -> dict[str, bool]:
        return {"live": True}


class ReadyView(OpenInferenceView):
    """Answer whether the site can serve."""

    call = "v2-ready"
    authentication_classes = []
    parameters = None
    scopes = {"get": OPEN, "head": OPEN}

    @extend_schema(**schema.READY)
    def get(self, request: HttpRequest, caller: keys.KeyCaller) -> dict[str, bool]:
        problems = [f"{name}: {state}" for name, state in health.check().items() if state != "ok"]
        if problems:
            raise Unavailable("; ".join(problems))
        return {"live": True, "ready": True}


class ServerView(OpenInferenceView):
    """Server metadata."""

    call = "v2"
    scopes = {"get": READING}

    @extend_schema(**schema.SERVER)
    def get(self, request: HttpRequest, caller: keys.KeyCaller) -> dict[str, Any]:
        version = settings.SPECTACULAR_SETTINGS["VERSION"]
        return {"name": "clfsite", "version": version, "extensions": ["binary_tensor_data"]}


class ModelView(OpenInferenceView):
    """Input and output tensors of a version."""

    call = "v2-model"
    scopes = {"get": READING}

    @extend_schema(**schema.MODEL)
    def get(self, request: HttpRequest, caller: keys.KeyCaller) -> dict[str, Any]:
        live = self.live()
        numbers = Version.objects.filter(classifier__name=live.classifier).order_by("number")
        # the protocol's parameters are single values
        of_classes = {
            "shape": [-1, len(live.contract.classes)],
            "parameters": {"classes": orjson.dumps(live.contract.classes).decode()},
        }
        return {
            "name": live.classifier,
            "versions": [str(number) for number in numbers.values_list("number", flat=True)],
            "platform": "scikit-learn",
            "inputs": [
                {"name": feature.name, "datatype": datatype_of(feature), "shape": [-1]}
                for feature in live.contract.features
            ],
            "outputs": [
                {"name": PREDICT, "datatype": "BYTES", "shape": [-1]},
                {"name": PREDICT_PROBA, "datatype": "FP64", **of_classes},
                *([{"name": PREDICT_SET, "datatype": "BOOL", **of_classes}] if live.least else []),
            ],
        }


class ModelReadyView(OpenInferenceView):
    """Whether a version can serve."""

    call = "v2-model-ready"
    scopes = {"get": READING}

    @extend_schema(**schema.MODEL_READY)
    def get(self, request: HttpRequest, caller: keys.KeyCaller) -> dict[str, Any]:
        return {"name": self.live().classifier, "ready": True}


class InferView(OpenInferenceView, ScoringView):
    """Predict rows that are sent as one tensor per feature."""

    call = "v2-infer"
    media_types = (JSON, BINARY)
    request_id: str | None = None
    wanted: Sequence["Wanted"] = ()

    @extend_schema(**schema.INFER)
    def post(self, request: HttpRequest, caller: keys.KeyCaller) -> Any:
        return super().post(request, caller)

    def read(self, request: HttpRequest, caller: keys.KeyCaller) -> predict.Query:
        live = self.live()
        body, tail = _read_body(request)
        self.request_id, self.wanted = body.get("id"), _wanted(body, live)
        records = _records(live.contract, body["inputs"], tail)
        return predict.Query(live, records, Prediction.Source.OPEN_INFERENCE, caller.name)

    def write(self, answer: predict.Answer) -> HttpResponse:
        return _reply(self.request_id, answer, self.wanted)


@extend_schema_view(get=extend_schema(operation_id="v2_version"))
class PinnedModelView(ModelView):
    """Metadata of a pinned version, active or not."""


@extend_schema_view(get=extend_schema(operation_id="v2_version_ready"))
class PinnedModelReadyView(ModelReadyView):
    """Whether a pinned version can serve."""


@extend_schema_view(post=extend_schema(operation_id="v2_version_infer"))
class PinnedInferView(InferView):
    """Predict rows with a pinned version."""


@dataclass(frozen=True)
class Wanted:
    """A requested output."""

    name: str
    binary: bool


def datatype_of(feature: Feature) -> str:
    """The datatype of a feature in the metadata; NaN needs a floating-point type."""
    if feature.kind in TEXTS:
        return "BYTES"
    if feature.missing or feature.kind is Kind.NUMBER:
        return "FP64"
    return "BOOL" if feature.kind is Kind.BOOLEAN else "INT64"


def _accepted(feature: Feature) -> tuple[str, ...]:
    if feature.kind in TEXTS:
        return ("BYTES",)
    if feature.kind is Kind.BOOLEAN:
        return ("BOOL", *FLOATS) if feature.missing else ("BOOL",)
    return (*FLOATS, *INTEGERS)


def _read_body(request: HttpRequest) -> tuple[dict[str, Any], Tail]:
    """Return the request's JSON, checked for its members, and the bytes after it.

    Raises:
        UnsupportedMediaType, TooLarge, Malformed: see `clfsite.core.requests.strict_json`.
    """
    check_media_type(request, REQUEST_TYPES)
    data = read_bytes(request)
    length = request.headers.get(HEADER_LENGTH)
    end = len(data)
    if length is not None:
        if not (length.isascii() and length.isdigit() and len(length) <= MAX_DIGITS and int(length) <= end):
            raise Malformed(
                f"the header {HEADER_LENGTH} is {length[:40]!r}; expected the length of the JSON, at most the "
                f"{end:,} bytes of the body"
            )
        end = int(length)
    body = parse_json(data[:end], nan_is_null=True)
    read_object(body, required=("inputs",), optional=MEMBERS)
    if not isinstance(body.get("inputs"), list):
        raise Malformed('"inputs" is not a list of tensors, one for each feature')
    if not isinstance(body.get("id"), str | None):
        raise Malformed('"id" is not a text')
    return body, Tail(data[end:])


def _wanted(body: dict[str, Any], live: Live) -> list[Wanted]:
    """Return the outputs to send, in the request's order; if it lists none, all that the version has."""
    everywhere = _flag(parameters_of(body, "the request"), "binary_data_output", False)
    outputs = body.get("outputs") or [{"name": name} for name in OUTPUTS if name != PREDICT_SET or live.least]
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise Malformed('"outputs" is not a list of objects with a "name"')
    wanted = []
    for output in outputs:
        if output.get("name") not in OUTPUTS:
            raise Malformed(
                f"there is no output {str(output.get('name'))[:60]!r}; expected {' or '.join(OUTPUTS)}"
            )
        if output["name"] == PREDICT_SET:
            check_sets(live)
        read_object(output, required=("name",), optional=("parameters",), path=f"outputs.{output['name']}")
        parameters = parameters_of(output, f'the output "{output["name"]}"')
        wanted.append(Wanted(output["name"], _flag(parameters, "binary_data", everywhere)))
    twice = repeated(output.name for output in wanted)
    if twice is not None:
        raise Malformed(f'the output "{twice}" is requested more than once')
    return wanted


def _flag(parameters: dict[str, Any], name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise Malformed(f'the parameter "{name}" is not true or false')
    return value


def _records(contract: Contract, inputs: list[Any], tail: Tail) -> list[dict[str, Any]]:
    """Read the input tensors as records of JSON values.

    Raises:
        Malformed: a tensor is missing, unknown or duplicate, or has a wrong datatype or length.
    """
    tensors = [read_tensor(entry, tail) for entry in inputs]
    tail.check_empty()
    names = [tensor.name for tensor in tensors]
    given = set(names)
    twice = repeated(names)
    if twice is not None:
        raise Malformed(f'duplicate input "{twice[:60]}"')
    unknown = sorted(given - set(contract.names))
    if unknown:
        raise Malformed(f'there is no input "{unknown[0][:60]}"; the model takes {_listed(contract.names)}')
    missing = [name for name in contract.names if name not in given]
    if missing:
        raise Malformed(f"there is no tensor for {_listed(missing)}; send one for each feature")
    rows = len(tensors[0].values)
    odd = next((tensor for tensor in tensors if len(tensor.values) != rows), None)
    if odd:
        raise Malformed(
            f'the input "{odd.name}" has {len(odd.values):,} rows but "{names[0]}" has {rows:,};  '
            "send the same number for each feature"
        )
    features = {feature.name: feature for feature in contract.features}
    columns = [_column(features[tensor.name], tensor) for tensor in tensors]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _listed(names: Sequence[str]) -> str:
    """Names in a sentence, cut if there are too many."""
    rest = len(names) - MOST_LISTED
    return ", ".join(map(shorten, names[:MOST_LISTED])) + (f" and {rest:,} more" if rest > 0 else "")


def _column(feature: Feature, tensor: Tensor) -> list[Any]:
    """The tensor's values as the feature's JSON values."""
    if tensor.datatype not in _accepted(feature):
        raise Malformed(
            f'the input "{feature.name}" has the datatype {tensor.datatype}; expected {" or ".join(_accepted(feature))}'
        )
    if feature.kind in TEXTS:
        # clients write None and NaN as texts; the missing values of CSV files apply here, too
        return [None if value is None else read_cell(feature, value) for value in tensor.values]
    if feature.kind is Kind.BOOLEAN and tensor.datatype != "BOOL":
        return [{0: False, 1: True}.get(value, value) for value in tensor.values]
    return tensor.values


def _reply(request_id: str | None, answer: predict.Answer, wanted: Sequence[Wanted]) -> HttpResponse:
    """The outputs in JSON, or as bytes after the JSON if requested."""
    outputs = []
    raw = []
    for output in wanted:
        if output.name == PREDICT:
            labels = [*answer.rows.labels]
            head: dict[str, Any] = {"name": PREDICT, "datatype": "BYTES", "shape": [len(labels)]}
            data: list[Any] = labels
            content = write_bytes(labels) if output.binary else b""
        elif output.name == PREDICT_SET:
            inside = are_in_set(np.array(answer.proba), answer.live.least or ())
            head = {"name": PREDICT_SET, "datatype": "BOOL", "shape": list(inside.shape)}
            data, content = inside.ravel().tolist(), inside.tobytes() if output.binary else b""
        else:
            proba = np.array(answer.proba)
            head = {"name": PREDICT_PROBA, "datatype": "FP64", "shape": list(proba.shape)}
            data, content = proba.ravel().tolist(), write_floats(proba) if output.binary else b""
        if output.binary:
            outputs.append({**head, "parameters": {"binary_data_size": len(content)}})
            raw.append(content)
        else:
            outputs.append({**head, "data": data})
    body: dict[str, Any] = {"model_name": answer.live.classifier, "model_version": str(answer.live.number)}
    if request_id is not None:
        body["id"] = request_id
    content = orjson.dumps({**body, "outputs": outputs})
    if not raw:
        return HttpResponse(content, content_type=JSON)
    return HttpResponse(
        b"".join([content, *raw]), content_type=BINARY, headers={HEADER_LENGTH: str(len(content))}
    )
