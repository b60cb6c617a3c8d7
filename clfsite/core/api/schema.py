"""Common parts of the calls in the OpenAPI document."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema_serializer

from clfsite.core.api import serializers

PROBLEM = OpenApiResponse(
    serializers.ProblemSerializer, description="What was found, what was expected and what to do."
)


MULTIPART = "multipart/form-data"


def example(value: Any, media_type: str = "application/json") -> Callable[[type], type]:
    """Decorate a serializer with the example for its requests and responses."""
    return extend_schema_serializer(examples=[OpenApiExample("churn", value, media_type=media_type)])


def csv_file(description: str, text: str) -> dict[tuple[int, str], OpenApiResponse]:
    """Return the schema's entry for a CSV response, with an example."""
    file = OpenApiResponse(str, description=description, examples=[OpenApiExample("churn", text)])
    return {(200, "text/csv"): file}


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Schema entries for the problem responses of a call."""
    return {(status, "application/problem+json"): PROBLEM for status in statuses}
