"""Refusing what is too much, and telling every caller how much is left."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle

from security.client_info import client_info, network_of
from security.errors import RateLimited
from security.limits import spend
from security.meters import Usage

# How often, by the name of the limit, and whom a request counts for; None where it can't be told.
Limits = Mapping[str, Callable[[Any], str | None]]


class QuotaThrottle(BaseThrottle):
    """The quota of a signed-in caller, which was counted when the caller was recognised."""

    def allow_request(self, request: Any, view: Any) -> bool:
        self.usages: Sequence[Usage] = getattr(request.user, "usages", ())
        note_usages(request, self.usages)
        return not any(usage.exceeded for usage in self.usages)

    def wait(self) -> float:
        """Seconds until every exceeded window begins anew."""
        return float(max(usage.resets_in for usage in self.usages if usage.exceeded))


class LimitThrottle(BaseThrottle):
    """The limits that `view.limits` names, each with how a request tells whom it is counted by.

    A view without any is limited by address for who isn't signed in; one with an empty table
    never.
    """

    def allow_request(self, request: Any, view: Any) -> bool:
        limits: Limits | None = getattr(view, "limits", None)
        if limits is None:
            limits = {} if request.user else {"anonymous": by_address}
        whom = {name: who for name, by in limits.items() if (who := by(request)) is not None}
        self.usages = spend(whom)
        note_usages(request, self.usages)
        return not any(usage.exceeded for usage in self.usages)

    def wait(self) -> float:
        return float(max(usage.resets_in for usage in self.usages if usage.exceeded))


def refused_too_often(request: Any) -> RateLimited | None:
    """Counts a request that was refused before any throttle saw it; the error if it is too much.

    It counts for whom it came from, as far as that is known.
    """
    if getattr(request._request, "usages", None) is not None:
        return None
    user = getattr(request, "_user", None)
    usages = user.usages if user else spend({"anonymous": by_address(request) or ""})
    note_usages(request, usages)
    waits = [usage.resets_in for usage in usages if usage.exceeded]
    return RateLimited(max(waits)) if waits else None


def by_address(request: Any) -> str | None:
    """The client's IPv4 address, or the /64 of its IPv6 address."""
    return network_of(client_info(request).ip_address)


def by_user(request: Any) -> str | None:
    return str(request.user.pk)


def note_usages(request: Any, usages: Sequence[Usage]) -> None:
    """Keep them for the headers of the answer, whatever it will be."""
    plain: HttpRequest = getattr(request, "_request", request)
    plain.usages = [*getattr(plain, "usages", ()), *usages]  # type: ignore[attr-defined]
