"""Refusing what is too much, and telling every caller how much is left."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle

from security.meters import Usage


class QuotaThrottle(BaseThrottle):
    """The quota of a signed-in caller, which was counted when the caller was recognised."""

    def allow_request(self, request: Any, view: Any) -> bool:
        self.usages: Sequence[Usage] = getattr(request.user, "usages", ())
        note_usages(request, self.usages)
        return not any(usage.exceeded for usage in self.usages)

    def wait(self) -> float:
        """Seconds until every exceeded window begins anew."""
        return float(max(usage.resets_in for usage in self.usages if usage.exceeded))


def note_usages(request: Any, usages: Sequence[Usage]) -> None:
    """Keep them for the headers of the answer, whatever it will be."""
    plain: HttpRequest = getattr(request, "_request", request)
    plain.usages = [*getattr(plain, "usages", ()), *usages]  # type: ignore[attr-defined]
