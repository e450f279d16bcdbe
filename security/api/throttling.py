"""Refusing what is too much, and telling every caller how much is left."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle

from security.client_info import client_info, network_of
from security.errors import RateLimited
from security.limits import spend
from security.meters import Usage, longest_wait

# How often, by the name of the limit, and whom a request counts for; None where it can't be told.
Limits = Mapping[str, Callable[[Any], str | None]]


class UsageThrottle(BaseThrottle):
    """Refuses where one of the usages of a request is exceeded, and tells of all of them."""

    def usages_of(self, request: Any, view: Any) -> Sequence[Usage]:
        raise NotImplementedError

    def allow_request(self, request: Any, view: Any) -> bool:
        usages = self.usages_of(request, view)
        note_usages(request, usages)
        self.longest = longest_wait(usages)
        return self.longest is None

    def wait(self) -> float | None:
        """Seconds until every exceeded window begins anew."""
        return self.longest


class QuotaThrottle(UsageThrottle):
    """The quota of a signed-in caller, which was counted when the caller was recognised."""

    def usages_of(self, request: Any, view: Any) -> Sequence[Usage]:
        usages: Sequence[Usage] = getattr(request.user, "usages", ())
        return usages


class LimitThrottle(UsageThrottle):
    """The limits that `view.limits` names, each with how a request tells whom it is counted by.

    A view without any is limited by address for who isn't signed in; one with an empty table
    never.
    """

    def usages_of(self, request: Any, view: Any) -> Sequence[Usage]:
        limits: Limits | None = getattr(view, "limits", None)
        if limits is None:
            limits = {} if request.user else {"anonymous": by_address}
        return spend({name: who for name, by in limits.items() if (who := by(request)) is not None})


def refused_too_often(request: Any) -> RateLimited | None:
    """Counts a request that was refused before any throttle saw it; the error if it is too much.

    It counts for whom it came from, as far as that is known.
    """
    if getattr(request._request, "usages", None) is not None:
        return None
    user = getattr(request, "_user", None)
    usages = user.usages if user else spend({"anonymous": by_address(request) or ""})
    note_usages(request, usages)
    wait = longest_wait(usages)
    return None if wait is None else RateLimited(wait)


def by_address(request: Any) -> str | None:
    """The client's IPv4 address, or the /64 of its IPv6 address."""
    return network_of(client_info(request).ip_address)


def by_user(request: Any) -> str | None:
    return str(request.user.pk)


def note_usages(request: Any, usages: Sequence[Usage]) -> None:
    """Keep them for the headers of the answer, whatever it will be."""
    plain: HttpRequest = getattr(request, "_request", request)
    plain.usages = [*getattr(plain, "usages", ()), *usages]  # type: ignore[attr-defined]
