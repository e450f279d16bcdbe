"""Rates as settings write them: `5/m,30/h`. Read before Django's settings are complete."""

import re
from dataclasses import dataclass

SECONDS = {"s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60}
RATE = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,3})?([smhd])", re.ASCII)

# What is limited, and how much of it is allowed unless AUTH_LIMIT_<NAME> says otherwise.
DEFAULT_RATES = {
    "register": "5/m",
    "login": "5/m,30/h",
    "login_device": "5/m,30/h",
    "login_address": "30/m",
    "refresh": "10/m",
    "refresh_address": "600/m",
    "profile": "10/m",
    "password": "5/m",
    "forgot": "5/m",
    "mailbox": "3/h",
    "notices": "3/h",
    "verify": "10/m",
    "anonymous": "100/m",
}


@dataclass(frozen=True)
class Rate:
    """At most `quota` in `seconds`."""

    quota: int
    seconds: int


def parse_rates(text: str) -> tuple[Rate, ...]:
    """Comma-separated `count/[number]unit`, a unit being s, m, h or d. Raises ValueError."""
    rates = []
    for part in text.split(","):
        match = RATE.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"{part.strip()!r} is not a rate such as 5/m, 30/h or 100/10s")
        quota, number, unit = match.groups()
        rates.append(Rate(int(quota), int(number or 1) * SECONDS[unit]))
    if len({rate.seconds for rate in rates}) != len(rates):
        raise ValueError("it has two rates for one window")
    return tuple(rates)
