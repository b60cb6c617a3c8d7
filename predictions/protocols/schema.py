"""What the schemas of the serving protocols share: problems, each in its protocol's shape."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse

JSON = "application/json"
_MEANING = {
    400: "Not of the protocol's shape.",
    401: "No key, or one that is not valid.",
    403: "The key lacks the scope predict.",
    404: "No such classifier or version.",
    406: "The Accept header leaves no room for the answer.",
    413: "More bytes or rows than the limits that /info tells.",
    415: "Another media type, charset, or a compressed body.",
    422: "The contract refuses the values; nothing was stored.",
    429: "The key has called too often; Retry-After says when to try again.",
    503: "No active version, or the database does not answer; Retry-After says when to try again.",
}


def problems(shape: dict[str, Any], *statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Return the schema's entries for these statuses."""
    return {(status, JSON): OpenApiResponse(shape, description=_MEANING[status]) for status in statuses}


def answer(shape: dict[str, Any], description: str, example: Any) -> OpenApiResponse:
    """Return the schema's entry for a good answer."""
    return OpenApiResponse(shape, description=description, examples=[OpenApiExample("churn", example)])


def object_of(*required: str, **properties: Any) -> dict[str, Any]:
    """Return the schema of an object with these properties and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
