"""What drf-spectacular cannot see by itself; its settings name this module, which registers the key scheme."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The API key as a bearer token."""

    target_class = "predictions.keys.KeyAuthentication"
    name = "key"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A key made with `manage.py createkey`."}


def without_optional_slash(endpoints: list[tuple[str, str, str, Any]]) -> list[tuple[str, str, str, Any]]:
    """Describe every address in its short form, though the one with a slash at the end answers too."""
    return [(path.rstrip("/"), regex, method, view) for path, regex, method, view in endpoints]
