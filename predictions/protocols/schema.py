"""How the serving protocols stand in the OpenAPI document: their shapes, refusals and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse

JSON = "application/json"
_NAMES = {"type": "array", "items": {"type": "string"}}
_ROWS = {"type": "array", "items": {"type": "object", "additionalProperties": {}}, "minItems": 1}
_TENSORS = {
    "oneOf": [_ROWS, {"type": "object", "additionalProperties": {"type": "array", "items": {}}}],
    "description": "Rows as objects, or for every feature the list of its values.",
}
_MEANING = {
    400: "Not of the protocol's shape.",
    401: "No key, or one that is not valid.",
    403: "The key lacks the scope predict.",
    404: "No such classifier or version.",
    406: "The Accept header leaves no room for the answer.",
    413: "More bytes or rows than the limits that /info tells.",
    415: "Another media type, charset, or a compressed body.",
    422: "The contract refuses the values; nothing was stored.",
    503: "No active version, or the database does not answer; Retry-After says when to try again.",
}


def _refusals(shape: dict[str, Any], *statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    return {(status, JSON): OpenApiResponse(shape, description=_MEANING[status]) for status in statuses}


def _object(*required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_MLFLOW_ERROR = _object("error_code", "message", error_code={"type": "string"}, message={"type": "string"})
_PARAMS = {
    "type": "object",
    "properties": {
        "model": {"type": "string", "description": "A classifier's name; the default one without it."},
        "version": {"type": "integer", "minimum": 1, "description": "Pins a version."},
        "pyfunc_predict_fn": {"type": "string", "enum": ["predict", "predict_proba"]},
    },
    "additionalProperties": False,
}
_SPLIT = _object(
    "columns",
    "data",
    columns=_NAMES,
    data={"type": "array", "items": {"type": "array", "items": {}}, "minItems": 1},
    index={"type": "array", "items": {}},
)

PING: dict[str, Any] = {
    "operation_id": "mlflow_ping",
    "tags": ["MLflow"],
    "summary": "Whether the site can answer",
    "responses": {
        200: OpenApiResponse(_object("status", status={"type": "string"}), description="It can."),
        **_refusals(_MLFLOW_ERROR, 406, 503),
    },
}
VERSION: dict[str, Any] = {
    "operation_id": "mlflow_version",
    "tags": ["MLflow"],
    "summary": "The version of MLflow whose protocol this is",
    "responses": {
        (200, "text/plain"): OpenApiResponse({"type": "string"}, description="A version."),
        **_refusals(_MLFLOW_ERROR, 406),
    },
}
INVOCATIONS: dict[str, Any] = {
    "operation_id": "mlflow_invocations",
    "tags": ["MLflow"],
    "summary": "Answer rows in MLflow's shapes",
    "description": (
        "JSON with exactly one of `dataframe_split`, `dataframe_records`, `instances` and `inputs`, or CSV with a "
        "header, which the default classifier answers. null and the literal NaN are a missing value."
    ),
    "request": {
        JSON: {
            "oneOf": [
                _object("dataframe_split", dataframe_split=_SPLIT, params=_PARAMS),
                _object("dataframe_records", dataframe_records=_ROWS, params=_PARAMS),
                _object("instances", instances=_TENSORS, params=_PARAMS),
                _object("inputs", inputs=_TENSORS, params=_PARAMS),
            ]
        },
        "text/csv": {"type": "string"},
    },
    "responses": {
        (200, JSON): OpenApiResponse(
            _object("predictions", predictions={"type": "array", "items": {}}),
            description="A label a row; with predict_proba a list of probabilities, in the order of the classes.",
        ),
        **_refusals(_MLFLOW_ERROR, 400, 401, 403, 404, 406, 413, 415, 422, 503),
    },
    "examples": [
        OpenApiExample(
            "two rows of a frame",
            {
                "dataframe_split": {
                    "columns": ["tenure", "contract"],
                    "data": [[5, "One year"], [None, "Two year"]],
                }
            },
            media_type=JSON,
            request_only=True,
        ),
        OpenApiExample(
            "probabilities of a pinned version",
            {
                "dataframe_records": [{"tenure": 5, "contract": "One year"}],
                "params": {"model": "churn", "version": 3, "pyfunc_predict_fn": "predict_proba"},
            },
            media_type=JSON,
            request_only=True,
        ),
        OpenApiExample("CSV", "tenure,contract\n5,One year\n", media_type="text/csv", request_only=True),
        OpenApiExample(
            "labels",
            {"predictions": ["No", "Yes"]},
            media_type=JSON,
            response_only=True,
            status_codes=["200"],
        ),
    ],
}
