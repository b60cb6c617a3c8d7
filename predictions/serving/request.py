"""The other parts of a scoring request: model, version and the number of rows."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from clfsite.core.errors import Malformed, TooLarge


def check_row_count(count: int) -> None:
    """Refuse a request with too many rows.

    Raises:
        TooLarge: more than CLFSITE_BATCH_ROWS.
    """
    if count > settings.CLFSITE_BATCH_ROWS:
        raise TooLarge(
            f"{count:,} records are more than the limit of {settings.CLFSITE_BATCH_ROWS:,}; "
            "send them in several requests, or upload them as a CSV file"
        )


def model_of(body: Mapping[str, Any]) -> str | None:
    """Return the name of the classifier in a body, None for the default classifier.

    Raises:
        Malformed: "model" is not a name.
    """
    model = body.get("model")
    if model is not None and (not isinstance(model, str) or not model):
        raise Malformed('"model" is not a classifier\'s name; leave it out for the default one')
    if model and "\x00" in model:
        raise Malformed('"model" holds a NUL character')
    return model


def version_of(body: Mapping[str, Any]) -> int | None:
    """Return the pinned version of a body, None for the active version.

    Raises:
        Malformed: "version" is not a whole number above 0.
    """
    version = body.get("version")
    if version is None:
        return None
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version < 2**31:
        raise Malformed('"version" is not a whole number above 0; leave it out for the active one')
    return version
