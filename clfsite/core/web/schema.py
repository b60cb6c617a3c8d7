"""Responses in the OpenAPI document that every call shares."""

from drf_spectacular.utils import OpenApiResponse

from clfsite.core.web import serializers

PROBLEM = OpenApiResponse(
    serializers.ProblemSerializer, description="What was found, what was expected, what to do."
)


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Schema entries for the refusals that a call may answer with."""
    return {(status, "application/problem+json"): PROBLEM for status in statuses}
