"""Additions to drf-spectacular's schema; its settings import this module, which registers the key scheme."""

from http import HTTPStatus
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
# problems of all managing calls, of those with a body, and of those with an id in the address
ALWAYS = (400, 401, 403, 406, 429, 503)
WITH_BODY = (413, 415, 422)


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The API key as a bearer token."""

    target_class = "predictions.keys.service.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A key made with `manage.py createkey`."}


def without_optional_slash(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Describe addresses without the optional slash at the end."""
    return [(path.rstrip("/"), regex, method, view) for path, regex, method, view in endpoints]


def with_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the common problems to each managing call."""
    for path, calls in result["paths"].items():
        if not path.startswith("/api/"):
            continue
        for method, operation in calls.items():
            statuses = [
                *ALWAYS,
                *(WITH_BODY if method in {"post", "patch"} else ()),
                *((404,) if "{" in path else ()),
            ]
            responses = operation["responses"]
            for status in statuses:
                responses.setdefault(str(status), {"description": HTTPStatus(status).phrase})
            for status, response in responses.items():
                if int(status) >= HTTPStatus.BAD_REQUEST:
                    response.setdefault("content", PROBLEM)
            operation["responses"] = dict(sorted(responses.items()))
    return result
