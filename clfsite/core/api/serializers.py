"""Serializers of errors and uploads for all API calls, and strict fields.

DRF's own fields accept 1 as true, "5" and 5.9 as 5, and ignore unknown members; these fields refuse them.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.settings import api_settings
from rest_framework.utils import html

from clfsite.core.requests.members import UNKNOWN, unknown_members

# the largest id that all databases can store
LARGEST_ID = 2**63 - 1
# a number in a field of a form
_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_SWITCH = {"true": True, "false": False, "1": True, "0": False}


class ProblemItemSerializer(serializers.Serializer[dict[str, object]]):
    """One problem: of a record (row from 0, feature), of a file (line from 1, column), or of a form (field)."""

    row = serializers.IntegerField(required=False)
    feature = serializers.CharField(required=False)
    line = serializers.IntegerField(required=False)
    column = serializers.CharField(required=False)
    field = serializers.CharField(required=False)
    code = serializers.CharField(required=False)
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer[dict[str, object]]):
    """RFC 9457 problem details."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = ProblemItemSerializer(many=True)  # type: ignore[assignment]
    request_id = serializers.CharField(required=False, help_text="The id of the call, also in X-Request-ID.")


class StrictSerializer(serializers.Serializer[Any]):
    """An object or a form without unknown or duplicate members."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            message = f"expected an object, got {_kind(data)}"
            raise serializers.ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [message]}, "not_an_object")
        problems: dict[str, Any] = {
            problem["field"]: ErrorDetail(problem["message"], UNKNOWN)
            for problem in unknown_members(data, self.known)
        }
        if html.is_html_input(data):
            problems |= {
                name: ErrorDetail(f'"{name}" was sent more than once', "repeated")
                for name, field in self.fields.items()
                if not isinstance(field, serializers.ListField | OneFileField) and len(data.getlist(name)) > 1  # type: ignore[attr-defined]
            }
        if problems:
            raise serializers.ValidationError(problems)
        return super().to_internal_value(data)

    @property
    def known(self) -> list[str]:
        """The names of the allowed members."""
        return list(self.fields)


class NothingSerializer(StrictSerializer):
    """A call without members."""


class StrictCharField(serializers.CharField):
    """A text; numbers are refused."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError(f"expected a text, got {_kind(data)}", "not_text")
        return super().to_internal_value(data)


class StrictChoiceField(serializers.ChoiceField):
    """One of several texts."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            named = f'"{data[:60]}"' if isinstance(data, str) else _kind(data)
            raise serializers.ValidationError(
                f"expected one of {', '.join(map(str, self.choices))}, got {named}", "invalid_choice"
            )
        return super().to_internal_value(data)


class StrictIntegerField(serializers.IntegerField):
    """A whole number: a JSON number, or digits in a form."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str) and html.is_html_input(self.root.initial_data) and _WHOLE.fullmatch(data):
            return int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError(f"expected a whole number, got {_kind(data)}", "not_an_integer")
        return data


class StrictFloatField(serializers.FloatField):
    """A finite number."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise serializers.ValidationError(f"expected a number, got {_kind(data)}", "not_a_number")
        try:
            value = float(data)
        except OverflowError:  # a whole number beyond any float
            value = math.inf
        if not math.isfinite(value):
            raise serializers.ValidationError("expected a finite number", "not_finite")
        return value


class StrictBooleanField(serializers.BooleanField):
    """True or false: a JSON boolean, or a text in a form."""

    def to_internal_value(self, data: Any) -> bool:
        if isinstance(data, str) and html.is_html_input(self.root.initial_data) and data.lower() in _SWITCH:
            return _SWITCH[data.lower()]
        if not isinstance(data, bool):
            raise serializers.ValidationError(f"expected true or false, got {_kind(data)}", "not_a_boolean")
        return data


class IdField(serializers.PrimaryKeyRelatedField[Any]):
    """A row by its id."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError(f"expected an id, got {_kind(data)}", "not_an_integer")
        if not 0 < data <= LARGEST_ID:
            raise serializers.ValidationError(
                f"there is no row with the id {str(data)[:40]}", "does_not_exist"
            )
        return super().to_internal_value(data)


class OneFileField(serializers.FileField):
    """A single file."""

    def get_value(self, dictionary: Any) -> Any:
        files = dictionary.getlist(self.field_name) if hasattr(dictionary, "getlist") else []
        return files if len(files) > 1 else super().get_value(dictionary)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, list):
            raise serializers.ValidationError(f"{len(data)} files were sent; send one file")
        return super().to_internal_value(data)


def _kind(value: Any) -> str:
    """A short description of a refused value."""
    names = {dict: "an object", list: "a list", type(None): "null"}
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value[:60]}"'
    if isinstance(value, int | float):
        return _digits(value)
    return names.get(type(value), "something else")


def _digits(value: float) -> str:
    try:
        return f"{value!r:.40}"
    except ValueError:  # Python does not format integers with more than 4,300 digits
        return "a number of thousands of digits"
