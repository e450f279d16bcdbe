"""Fields of requests, read strictly."""

import json
import math
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.validators import URLValidator
from rest_framework import serializers


class TextField(serializers.CharField):
    """A string; DRF's own field would make one of a number."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class MomentField(serializers.DateTimeField):
    """A time as RFC 3339 has it, with an offset; DRF's own would guess one that is missing."""

    RFC_3339 = re.compile(
        r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
    )

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str) or not self.RFC_3339.fullmatch(value):
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ss[.uuuuuu] with Z, +HH:MM or -HH:MM")
        return super().to_internal_value(value.upper())


class WebAddressField(TextField):
    """An http or https URL; never one that a browser would run, such as `javascript:`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.validators.append(URLValidator(schemes=["http", "https"]))


class StructureField(serializers.JSONField):
    """A JSON array or object that every database can store and every client can read."""

    LARGEST_KIB = 16
    DEEPEST_LEVEL = 32
    default_error_messages = {
        "not_a_structure": "This must be a JSON array or object.",
        "unstorable": "This is nested too deeply, or holds a character or number out of range.",
        "too_large": "This is longer than {limit} KiB.",
    }

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, list | dict):
            self.fail("not_a_structure")
        try:
            size = _stored_size(data, self.DEEPEST_LEVEL)
        except ValueError:
            self.fail("unstorable")
        if size > self.LARGEST_KIB * 1024:
            self.fail("too_large", limit=self.LARGEST_KIB)
        return data


# Valid in JSON, but PostgreSQL's jsonb has no place for them.
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def _stored_size(value: Any, levels: int) -> int:
    """About how many bytes PostgreSQL writes for it: the five of 1e300 become 301 digits.

    Raises ValueError for more levels, and for text and numbers that jsonb can't hold.
    """
    match value:
        case str():
            if UNSTORABLE.search(value):
                raise ValueError
            return len(json.dumps(value, ensure_ascii=False).encode())
        case float():
            if not math.isfinite(value):
                raise ValueError
            return len(f"{Decimal(repr(value)):f}")
        case list() | dict():
            if not levels:
                raise ValueError
            inside = value if isinstance(value, list) else (*value.keys(), *value.values())
            return 2 + sum(2 + _stored_size(inner, levels - 1) for inner in inside)
    return len(str(value))
