"""Common parts of the serving protocols' schemas: problems in the format of each protocol."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse

JSON = "application/json"
REQUEST_ID = {"type": "string", "description": "The id of the call, also in X-Request-ID."}
_MEANING = {
    400: "The body does not follow the protocol.",
    401: "The key is missing or not valid.",
    403: "The key lacks the scope predict.",
    404: "The classifier or the version does not exist.",
    406: "The Accept header excludes the media type of the answer.",
    413: "The body exceeds a limit in bytes or rows; /info lists the limits.",
    415: "Unsupported media type, charset or content encoding.",
    422: "The values do not fit the contract; nothing was stored.",
    429: "The rate limit of the key is reached; Retry-After says when to try again.",
    503: "No version is active, or the database is not responding; Retry-After says when to try again.",
}


def problems(shape: dict[str, Any], *statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Return the schema's entries for these statuses."""
    return {(status, JSON): OpenApiResponse(shape, description=_MEANING[status]) for status in statuses}


def answer(shape: dict[str, Any], description: str, example: Any) -> OpenApiResponse:
    """Return the schema's entry for a successful response."""
    return OpenApiResponse(shape, description=description, examples=[OpenApiExample("churn", example)])


def object_of(*required: str, **properties: Any) -> dict[str, Any]:
    """Return the schema of an object with only these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
