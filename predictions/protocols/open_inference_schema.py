"""The Open Inference Protocol in the OpenAPI document."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from clfsite.core import release
from predictions.protocols.schema import JSON, REQUEST_ID, answer, object_of, problems
from predictions.protocols.tensors import DATATYPES

_TAGS = ["Open Inference Protocol"]
_ERROR = object_of("error", error={"type": "string"}, request_id=REQUEST_ID)
_PARAMETERS = {"type": "object", "additionalProperties": {}}
_TEXT = {"type": "string"}
_SHAPE = {"type": "array", "items": {"type": "integer"}}
_DATATYPE = {"type": "string", "enum": list(DATATYPES)}
_DESCRIBED = object_of(
    "name", "datatype", "shape", name=_TEXT, datatype=_DATATYPE, shape=_SHAPE, parameters=_PARAMETERS
)
_INPUT = object_of(
    "name",
    "datatype",
    "shape",
    name=_TEXT,
    datatype=_DATATYPE,
    shape={"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 2},
    parameters=_PARAMETERS,
    data={"type": "array", "items": {}},
)
_OUTPUT = object_of(
    "name",
    "datatype",
    "shape",
    name=_TEXT,
    datatype=_DATATYPE,
    shape=_SHAPE,
    parameters=_PARAMETERS,
    data={"type": "array", "items": {}},
)
_REQUEST = object_of(
    "inputs",
    id=_TEXT,
    model_name=_TEXT,
    model_version=_TEXT,
    parameters=_PARAMETERS,
    inputs={"type": "array", "items": _INPUT, "minItems": 1},
    outputs={
        "type": "array",
        "items": object_of(
            "name",
            name={"type": "string", "enum": ["predict", "predict_proba", "predict_set"]},
            parameters=_PARAMETERS,
        ),
    },
)
_ANSWER = object_of(
    "model_name",
    "model_version",
    "outputs",
    model_name=_TEXT,
    model_version=_TEXT,
    id=_TEXT,
    outputs={"type": "array", "items": _OUTPUT},
)
_HEADER = "Inference-Header-Content-Length"
_BINARY = {"type": "string", "format": "binary"}


def _get(name: str, summary: str, shape: dict[str, Any], example: Any, *statuses: int) -> dict[str, Any]:
    return {
        "operation_id": f"v2_{name}",
        "tags": _TAGS,
        "summary": summary,
        "responses": {
            (200, JSON): answer(shape, "As asked.", example),
            **problems(_ERROR, *statuses),
        },
    }


LIVE = _get(
    "live", "Whether the process answers", object_of("live", live={"type": "boolean"}), {"live": True}, 406
)
READY = _get(
    "ready",
    "Whether the site can answer",
    object_of("live", "ready", live={"type": "boolean"}, ready={"type": "boolean"}),
    {"live": True, "ready": True},
    406,
    503,
)
SERVER = _get(
    "server",
    "Server metadata",
    object_of(
        "name",
        "version",
        "extensions",
        name=_TEXT,
        version=_TEXT,
        extensions={"type": "array", "items": _TEXT},
    ),
    {"name": "clfsite", "version": release.VERSION, "extensions": ["binary_tensor_data"]},
    400,
    401,
    403,
    406,
    429,
    503,
)
MODEL = _get(
    "model",
    "Input and output tensors of a version",
    object_of(
        "name",
        "versions",
        "platform",
        "inputs",
        "outputs",
        name=_TEXT,
        versions={"type": "array", "items": _TEXT},
        platform=_TEXT,
        inputs={"type": "array", "items": _DESCRIBED},
        outputs={"type": "array", "items": _DESCRIBED},
    ),
    {
        "name": "churn",
        "versions": ["1", "2", "3"],
        "platform": "scikit-learn",
        "inputs": [
            {"name": "tenure", "datatype": "INT64", "shape": [-1]},
            {"name": "contract", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": "predict", "datatype": "BYTES", "shape": [-1]},
            {
                "name": "predict_proba",
                "datatype": "FP64",
                "shape": [-1, 2],
                "parameters": {"classes": '["No","Yes"]'},
            },
        ],
    },
    400,
    401,
    403,
    404,
    406,
    429,
    503,
)
MODEL_READY = _get(
    "model_ready",
    "Whether a version can serve",
    object_of("name", "ready", name=_TEXT, ready={"type": "boolean"}),
    {"name": "churn", "ready": True},
    400,
    401,
    403,
    404,
    406,
    429,
    503,
)
INFER: dict[str, Any] = {
    "operation_id": "v2_infer",
    "tags": _TAGS,
    "summary": "Answer rows sent as one tensor a feature",
    "description": (
        "A tensor of shape [n] or [n, 1] for every feature that the metadata lists. With binary tensors the body is "
        f"JSON, then their bytes in order; the header {_HEADER} is the length of the JSON. Responses with "
        "binary outputs use it in the same way."
    ),
    "parameters": [
        OpenApiParameter(
            _HEADER,
            {"type": "integer", "minimum": 0},
            OpenApiParameter.HEADER,
            description="Length of the JSON in bytes, if binary tensors follow it.",
        )
    ],
    "request": {JSON: _REQUEST, "application/octet-stream": _BINARY},
    "responses": {
        (200, JSON): OpenApiResponse(_ANSWER, description="The outputs, values row by row."),
        (200, "application/octet-stream"): OpenApiResponse(
            _BINARY, description="The outputs as bytes, if the request asks for binary outputs."
        ),
        **problems(_ERROR, 400, 401, 403, 404, 406, 413, 415, 422, 429, 503),
    },
    "examples": [
        OpenApiExample(
            "two rows",
            {
                "id": "42",
                "inputs": [
                    {"name": "tenure", "datatype": "INT64", "shape": [2], "data": [5, 70]},
                    {"name": "contract", "datatype": "BYTES", "shape": [2], "data": ["One year", "Two year"]},
                ],
            },
            media_type=JSON,
            request_only=True,
        ),
        OpenApiExample(
            "labels and probabilities",
            {
                "model_name": "churn",
                "model_version": "3",
                "id": "42",
                "outputs": [
                    {"name": "predict", "datatype": "BYTES", "shape": [2], "data": ["No", "No"]},
                    {
                        "name": "predict_proba",
                        "datatype": "FP64",
                        "shape": [2, 2],
                        "data": [0.83, 0.17, 0.95, 0.05],
                    },
                ],
            },
            media_type=JSON,
            response_only=True,
            status_codes=["200"],
        ),
    ],
}
