"""Wrong settings, found at start: each check has an id and says what to do."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error

# What the documents of the five source systems, Django and common samples print as a secret.
SAMPLE_SECRET = re.compile(
    r"change|your[_-]|secret[_-]?key|fallback|example|insecure|sample|password|^jwt_key$|^(.)\1*$",
    re.I,
)
LEAST_SECRET_LENGTH = 32


def settings_are_readable(**_: Any) -> list[CheckMessage]:
    return [
        Error(
            problem.sentence, hint=f"Correct {problem.setting} or leave it unset.", id="auth.E001"
        )
        for problem in settings.AUTH_SETTINGS_PROBLEMS
    ]


def secret_key_is_secret(**_: Any) -> list[CheckMessage]:
    key = settings.SECRET_KEY
    hint = "Set SECRET_KEY to the output of `python manage.py generate_secrets`."
    if len(key) < LEAST_SECRET_LENGTH or SAMPLE_SECRET.search(key):
        kind = checks.Warning if settings.EMBEDDED else Error
        sentence = "SECRET_KEY is short or looks like a published sample."
        return [kind(sentence, hint=hint, id="auth.W003" if settings.EMBEDDED else "auth.E003")]
    return []


def sealing_keys_are_usable(**_: Any) -> list[CheckMessage]:
    hint = (
        "Set KEY_ENCRYPTION_KEYS to the output of `python manage.py generate_secrets`; if signing "
        "keys exist already, restore the value that they were sealed with."
    )
    if any(problem.setting == "AUTH_DATA_DIR" for problem in settings.AUTH_SETTINGS_PROBLEMS):
        return []  # The file that would hold them is the problem.
    if not settings.KEY_ENCRYPTION_KEYS:
        return [Error("KEY_ENCRYPTION_KEYS is missing.", hint=hint, id="auth.E004")]
    try:
        for key in settings.KEY_ENCRYPTION_KEYS:
            Fernet(key)
    except ValueError:
        sentence = "KEY_ENCRYPTION_KEYS holds something that is not a Fernet key."
        return [Error(sentence, hint=hint, id="auth.E005")]
    return []


def processes_share_a_cache(**_: Any) -> list[CheckMessage]:
    if settings.WEB_PROCESSES > 1 and not settings.SHARED_CACHE:
        return [
            Error(
                "WEB_PROCESSES is more than 1, but there is no REDIS_URL.",
                hint="Set REDIS_URL, or run one process (threads serve requests in parallel).",
                id="auth.E006",
            )
        ]
    return []


def limits_are_on(**_: Any) -> list[CheckMessage]:
    if settings.AUTH_LIMITS:
        return []
    hint = "Unset AUTH_LIMITS; for a load test set AUTH_LIMITS_OFF_I_KNOW=1 as well."
    if settings.EMBEDDED or settings.AUTH_LIMITS_OFF_I_KNOW:
        return [checks.Warning("All limits are off.", hint=hint, id="auth.W024")]
    return [Error("All limits are off, and this is no test.", hint=hint, id="auth.E024")]


def networks_are_networks(**_: Any) -> list[CheckMessage]:
    named = [("TRUSTED_PROXIES", proxy) for proxy in settings.TRUSTED_PROXIES]
    named += [("AUTH_CONSOLE_NETWORKS", network) for network in settings.AUTH_CONSOLE_NETWORKS]
    return [
        Error(
            f"{name} names {network!r}, which is no address or network.",
            hint="Write addresses or CIDR networks, such as 10.0.0.0/8.",
            id="auth.E007",
        )
        for name, network in named
        if _network(network) is None
    ]


def public_key_has_a_private_half(**_: Any) -> list[CheckMessage]:
    if settings.PUBLIC_KEY_PATH and not settings.PRIVATE_KEY_PATH:
        return [
            Error(
                "PUBLIC_KEY_PATH is set without PRIVATE_KEY_PATH.",
                hint="Set both, or neither: the service then makes its own key.",
                id="auth.E008",
            )
        ]
    return []


def hosts_are_named(**_: Any) -> list[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS and not settings.EMBEDDED:
        return [
            Error(
                "ALLOWED_HOSTS admits every host name.",
                hint="Name the hosts under which this service is reached.",
                id="auth.E009",
            )
        ]
    return []


def embedded_mode_is_not_deployed(**_: Any) -> list[CheckMessage]:
    """For `check --deploy`: the embedded default is for trying out and for small installations."""
    found: list[CheckMessage] = []
    if settings.EMBEDDED:
        found.append(
            checks.Warning(
                "The database is SQLite, which serves one host only.",
                hint="Set DATABASE_URL to a PostgreSQL database.",
                id="auth.W010",
            )
        )
    if not settings.PUBLIC_URL.startswith("https://"):
        found.append(
            checks.Warning(
                "PUBLIC_URL does not begin with https://.",
                hint="Put the service behind https and set PUBLIC_URL to that address.",
                id="auth.W011",
            )
        )
    return found


ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?")


def addresses_are_complete(**_: Any) -> list[CheckMessage]:
    named = [("PUBLIC_URL", settings.PUBLIC_URL)]
    named += [("BACKEND_CORS_ORIGINS", origin) for origin in settings.CORS_ALLOWED_ORIGINS]
    return [
        Error(
            f"{name} holds {address!r}, which is no address of a site.",
            hint="Write scheme and host, such as https://auth.example.org, and nothing after them.",
            id="auth.E012",
        )
        for name, address in named
        if not ORIGIN.fullmatch(address)
    ]


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None  # auth.E007 tells of it.


CHECKS = (
    addresses_are_complete,
    settings_are_readable,
    secret_key_is_secret,
    sealing_keys_are_usable,
    processes_share_a_cache,
    limits_are_on,
    networks_are_networks,
    public_key_has_a_private_half,
    hosts_are_named,
)
DEPLOY_CHECKS = (embedded_mode_is_not_deployed,)
