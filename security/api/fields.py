"""Fields of requests, read strictly."""

from typing import Any

from rest_framework import serializers


class TextField(serializers.CharField):
    """A string; DRF's own field would make one of a number."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)
