"""Values as they are shown in messages."""

import itertools
import json
from typing import Any

from training.ml.tables.digits import EXACT

MAX_QUOTE = 60  # characters
_JSON = json.JSONEncoder(ensure_ascii=False, default=str)


def quote(value: Any) -> str:
    """Return the value as JSON, cut to a readable length; long values are only encoded as far as they are shown."""
    if isinstance(value, str):
        value = value[: MAX_QUOTE + 1]
    if isinstance(value, float) and abs(value) < EXACT and value.is_integer():
        # messages are the same for requests and files, which give the same number as 7 and as 7.0
        value = int(value)
    try:
        parts = _JSON.iterencode(value) if isinstance(value, list | dict) else [_JSON.encode(value)]
        text = "".join(itertools.islice(parts, MAX_QUOTE + 1))
    except ValueError:  # Python does not convert integers of more than 4,300 digits to text
        text = "an integer of thousands of digits"
    return text if len(text) <= MAX_QUOTE else f"{text[:MAX_QUOTE]}..."
