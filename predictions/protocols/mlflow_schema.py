"""The MLflow scoring protocol in the OpenAPI document."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse

from predictions.protocols.schema import JSON, REQUEST_ID, answer, object_of, problems

_NAMES = {"type": "array", "items": {"type": "string"}}
_ROWS = {"type": "array", "items": {"type": "object", "additionalProperties": {}}, "minItems": 1}
_TENSORS = {
    "oneOf": [_ROWS, {"type": "object", "additionalProperties": {"type": "array", "items": {}}}],
    "description": "Rows as objects, or for every feature the list of its values.",
}
_MLFLOW_ERROR = object_of(
    "error_code",
    "message",
    error_code={"type": "string"},
    message={"type": "string"},
    request_id=REQUEST_ID,
)
_PARAMS = {
    "type": "object",
    "properties": {
        "model": {
            "type": "string",
            "description": "Name of a classifier; if omitted, the default classifier is used.",
        },
        "version": {"type": "integer", "minimum": 1, "description": "Pins a version."},
        "pyfunc_predict_fn": {"type": "string", "enum": ["predict", "predict_proba", "predict_set"]},
    },
    "additionalProperties": False,
}
_SPLIT = object_of(
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
        200: answer(object_of("status", status={"type": "string"}), "It can.", {"status": "ok"}),
        **problems(_MLFLOW_ERROR, 406, 503),
    },
}
VERSION: dict[str, Any] = {
    "operation_id": "mlflow_version",
    "tags": ["MLflow"],
    "summary": "Version of the MLflow protocol",
    "responses": {
        (200, "text/plain"): answer({"type": "string"}, "A version.", "2.0.0"),
        **problems(_MLFLOW_ERROR, 400, 406),
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
                object_of("dataframe_split", dataframe_split=_SPLIT, params=_PARAMS),
                object_of("dataframe_records", dataframe_records=_ROWS, params=_PARAMS),
                object_of("instances", instances=_TENSORS, params=_PARAMS),
                object_of("inputs", inputs=_TENSORS, params=_PARAMS),
            ]
        },
        "text/csv": {"type": "string"},
    },
    "responses": {
        (200, JSON): OpenApiResponse(
            object_of("predictions", predictions={"type": "array", "items": {}}),
            description="One label per row. With predict_proba, one list of probabilities per row, in the "
            "order of the classes; with predict_set, one list of the labels that cannot be excluded.",
        ),
        **problems(_MLFLOW_ERROR, 400, 401, 403, 404, 406, 413, 415, 422, 429, 503),
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
