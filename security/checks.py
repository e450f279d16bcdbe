"""Wrong settings, found at start: each check has an id and says what to do."""

import re
from base64 import urlsafe_b64decode
from hashlib import sha256
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
GENERATE = "Use the output of `python manage.py generate_secrets`."


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


def sealing_keys_are_their_own(**_: Any) -> list[CheckMessage]:
    """Who learns one of the two secrets must not hold both."""
    secret = settings.SECRET_KEY.encode()
    made_of_it = {secret, secret[:32], sha256(secret).digest()}
    found: list[CheckMessage] = []
    for key in settings.KEY_ENCRYPTION_KEYS:
        raw = _decoded(key)
        if key.encode() in secret or raw in made_of_it:
            sentence = "KEY_ENCRYPTION_KEYS can be computed from SECRET_KEY."
            found.append(Error(sentence, hint=GENERATE, id="auth.E048"))
        elif raw and raw.decode("latin-1").isprintable() and raw.isascii():
            sentence = "KEY_ENCRYPTION_KEYS holds a key that somebody typed."
            found.append(Error(sentence, hint=GENERATE, id="auth.E049"))
    return found


def _decoded(key: str) -> bytes:
    try:
        return urlsafe_b64decode(key)
    except ValueError:
        return b""  # auth.E005 tells of it.


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None  # auth.E007 tells of it.


def proxies_are_few(**_: Any) -> list[CheckMessage]:
    """Wider than 10.0.0.0/8 and fc00::/7, the widest private networks, are strangers."""
    widest = {4: 8, 6: 7}
    return [
        Error(
            f"TRUSTED_PROXIES believes everybody in {proxy}, who can then claim any address.",
            hint="Name the addresses of your proxies, or the private network that they are in.",
            id="auth.E044",
        )
        for proxy in settings.TRUSTED_PROXIES
        if (network := _network(proxy)) and network.prefixlen < widest[network.version]
    ]


def cookies_stay_on_https(**_: Any) -> list[CheckMessage]:
    if settings.SECURE_COOKIES or not settings.PUBLIC_URL.startswith("https://"):
        return []
    return [
        Error(
            "SECURE_COOKIES is off, so browsers send refresh tokens over plain http, too.",
            hint="Unset SECURE_COOKIES: with an https PUBLIC_URL it is on.",
            id="auth.E041",
        )
    ]


CHECKS = (
    addresses_are_complete,
    cookies_stay_on_https,
    proxies_are_few,
    sealing_keys_are_their_own,
    settings_are_readable,
    secret_key_is_secret,
    sealing_keys_are_usable,
    processes_share_a_cache,
    limits_are_on,
    networks_are_networks,
    public_key_has_a_private_half,
    hosts_are_named,
)
