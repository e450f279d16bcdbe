"""Counting what is limited by name: sign-ins, refreshes, registrations, changes."""

import hashlib
from collections.abc import Mapping

from django.conf import settings

from security.errors import RateLimited
from security.meters import Meter, Usage, count, longest_wait
from security.meters import forget as begin_anew
from security.metrics import LIMITED


def spend(whom: Mapping[str, str]) -> list[Usage]:
    """Count once on every window of each limit, for whom it is counted by; tell how they stand.

    All windows move, also those behind one that is exceeded, so that nobody learns by the order.
    Empty where limits are off.
    """
    if not settings.AUTH_LIMITS:
        return []
    meters = [meter for name, who in whom.items() for meter in _meters(name, who)]
    usages = count(meters, counted=None) if meters else []
    for usage in usages:
        if usage.exceeded:
            LIMITED.labels(usage.meter.name).inc()
    return usages


def enforce(whom: Mapping[str, str]) -> None:
    """The same where no throttle does it. Raises RateLimited."""
    wait = longest_wait(spend(whom))
    if wait is not None:
        raise RateLimited(wait)


def forget(whom: Mapping[str, str]) -> None:
    """Begin anew for whom a limit had counted, who has proven more than it asks for."""
    if meters := [meter for name, who in whom.items() for meter in _meters(name, who)]:
        begin_anew(meters)


def _meters(name: str, who: str) -> list[Meter]:
    rates = settings.AUTH_LIMIT_RATES[name]
    # Identifiers are people's: the cache holds only what they hash to. They are counted before any
    # check, so half of a surrogate pair, which UTF-8 refuses, may be among them.
    digest = hashlib.sha256(who.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return [
        Meter(
            name if len(rates) == 1 else f"{name}-{rate.seconds}", digest, rate.quota, rate.seconds
        )
        for rate in rates
    ]
