"""What the calls of the API have in common in the OpenAPI document."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema_serializer

from clfsite.core.web import serializers

PROBLEM = OpenApiResponse(
    serializers.ProblemSerializer, description="What was found, what was expected and what to do."
)


MULTIPART = "multipart/form-data"


def example(value: Any, media_type: str = "application/json") -> Callable[[type], type]:
    """Decorate a serializer with the example that is shown wherever it describes a request or an answer."""
    return extend_schema_serializer(examples=[OpenApiExample("churn", value, media_type=media_type)])


def csv_file(description: str, text: str) -> dict[tuple[int, str], OpenApiResponse]:
    """Return the schema's entry for an answer that is a CSV file, with an example of its text."""
    file = OpenApiResponse(str, description=description, examples=[OpenApiExample("churn", text)])
    return {(200, "text/csv"): file}


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Schema entries for the problems that a call may answer with."""
    return {(status, "application/problem+json"): PROBLEM for status in statuses}
