"""Parsers of the managing calls: strict JSON like the serving calls, and files up to the limit."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import JSONParser, MultiPartParser

from clfsite.core.errors import InvalidInput, TooLarge
from clfsite.core.requests.strict_json import parse_json
from clfsite.core.requests.uploads import was_cut


class StrictJSONParser(JSONParser):
    """JSON without duplicate names, NaN, deep nesting, half surrogates, or NUL characters."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the JSON value of the body.

        Raises:
            TooLarge: more than CLFSITE_BODY_BYTES. Malformed: not JSON. InvalidInput: a text holds a NUL, or a
                number is not finite.
        """
        data = stream.read(settings.CLFSITE_BODY_BYTES + 1)
        if len(data) > settings.CLFSITE_BODY_BYTES:
            raise TooLarge("the body is larger than the limit (CLFSITE_BODY_BYTES)")
        value = parse_json(data, finite=True)
        if (b"\\u0000" in data) and _holds_nul(value):
            raise InvalidInput("a string contains a NUL character, which cannot be stored")
        return value


class UploadParser(MultiPartParser):
    """Multipart form data with files of at most CLFSITE_UPLOAD_BYTES."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the form's values and files.

        Raises:
            TooLarge: more than CLFSITE_UPLOAD_BYTES.
        """
        parsed = super().parse(stream, media_type, parser_context)
        if parser_context and was_cut(parser_context["request"]._request):
            limit = settings.CLFSITE_UPLOAD_BYTES
            raise TooLarge(
                f"the file is larger than the limit of {limit:,} bytes (CLFSITE_UPLOAD_BYTES); send a smaller one"
            )
        return parsed


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_holds_nul(item) for pair in value.items() for item in pair)
    return isinstance(value, list) and any(map(_holds_nul, value))
