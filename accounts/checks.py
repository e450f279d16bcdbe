"""Wrong settings and a wrong installation, found at start."""

import re
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.mail.message import sanitize_address
from rest_framework_simplejwt.settings import api_settings

LONGEST_ACCESS_TTL = timedelta(hours=1)
LONGEST_REFRESH_GRACE = timedelta(minutes=1)
LEAST_SCORE = 2
# OWASP's Password Storage Cheat Sheet: memory in KiB and passes that are worth the same.
LEAST_ARGON2 = ((47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5))


def blacklist_is_installed(**_: Any) -> list[CheckMessage]:
    if apps.is_installed("rest_framework_simplejwt.token_blacklist"):
        return []
    return [
        Error(
            "SimpleJWT's blacklist app is not installed.",
            hint="Add rest_framework_simplejwt.token_blacklist to INSTALLED_APPS.",
            id="auth.E020",
        )
    ]


def simplejwt_cannot_sign(**_: Any) -> list[CheckMessage]:
    if not api_settings.SIGNING_KEY and not str(api_settings.ALGORITHM).startswith("HS"):
        return []
    return [
        Error(
            "SimpleJWT has a signing key of its own.",
            hint="Set SIMPLE_JWT's SIGNING_KEY to '' and ALGORITHM to 'RS256': the keyring signs.",
            id="auth.E021",
        )
    ]


def self_service_tiers_exist(**_: Any) -> list[CheckMessage]:
    unknown = sorted(set(settings.AUTH_SELF_SERVICE_TIERS) - set(settings.AUTH_TIERS))
    if not unknown and settings.AUTH_TIERS:
        return []
    return [
        Error(
            f"AUTH_SELF_SERVICE_TIERS names tiers that AUTH_TIERS does not: {', '.join(unknown)}.",
            hint="Add them to AUTH_TIERS or remove them.",
            id="auth.E022",
        )
    ]


def grantable_apps_are_installed(**_: Any) -> list[CheckMessage]:
    installed = {config.label for config in apps.get_app_configs()}
    return [
        Error(
            f"AUTH_GRANTABLE_APPS names {label!r}, which is no installed app.",
            hint="Write the app's label, as its permissions do, and add it to INSTALLED_APPS.",
            id="auth.E023",
        )
        for label in settings.AUTH_GRANTABLE_APPS
        if label not in installed
    ]


def concealed_accounts_are_verified(**_: Any) -> list[CheckMessage]:
    if not settings.AUTH_CONCEAL_ACCOUNTS or settings.AUTH_EMAIL_VERIFICATION == "required":
        return []
    return [
        Error(
            "AUTH_CONCEAL_ACCOUNTS is on, but who registers may sign in at once, which tells"
            " whether the address was free.",
            hint="Set AUTH_EMAIL_VERIFICATION=required.",
            id="auth.E025",
        )
    ]


# https, or http on this host, and nothing after the path.
RANGE_SERVICE = re.compile(
    r"(https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])|http://(localhost|127\.0\.0\.1|\[::1\]))"
    r"(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*"
)


def breached_passwords_are_asked_safely(**_: Any) -> list[CheckMessage]:
    url = settings.AUTH_BREACHED_PASSWORDS_URL
    if not url or RANGE_SERVICE.fullmatch(url):
        return []
    return [
        Error(
            "AUTH_BREACHED_PASSWORDS_URL holds no address of a range service.",
            hint="Write one like https://api.pwnedpasswords.com/range; http is for this host only.",
            id="auth.E026",
        )
    ]


def sender_is_an_address(**_: Any) -> list[CheckMessage]:
    """What Django's delivery can't read would cost every message, given up for good."""
    sender = settings.DEFAULT_FROM_EMAIL
    try:
        readable = "@" in sanitize_address(sender, "utf-8")
    except (ValueError, TypeError, AttributeError):  # The last two of Python's parser itself.
        readable = False
    if readable:
        return []
    return [
        Error(
            f"DEFAULT_FROM_EMAIL holds {sender!r}, which no mail can be sent from.",
            hint='Write one address, such as no-reply@example.org or "Acme, Inc." <no-reply@…>.',
            id="auth.E027",
        )
    ]


def hashes_are_slow_enough(**_: Any) -> list[CheckMessage]:
    memory, passes = settings.AUTH_ARGON2_MEMORY_KIB, settings.AUTH_ARGON2_TIME_COST
    if any(memory >= least and passes >= times for least, times in LEAST_ARGON2):
        return []
    return [
        checks.Warning(
            "AUTH_ARGON2_MEMORY_KIB and AUTH_ARGON2_TIME_COST are below OWASP's least.",
            hint="Unset both, or take at least 19456 and 2.",
            id="auth.W060",
        )
    ]


def weak_passwords_are_refused(**_: Any) -> list[CheckMessage]:
    validators: Any = settings.AUTH_PASSWORD_VALIDATORS
    scores = [each.get("OPTIONS", {}).get("least_score", 0) for each in validators]
    if max(scores, default=0) >= LEAST_SCORE:
        return []
    return [
        checks.Warning(
            "AUTH_PASSWORD_MIN_SCORE lets passwords in that are guessed in a million tries.",
            hint="Set it to 2 or more.",
            id="auth.W061",
        )
    ]


def tokens_are_short_lived(**_: Any) -> list[CheckMessage]:
    """Services that verify offline don't learn of a logout before the token expires."""
    if settings.AUTH_ACCESS_TTL <= LONGEST_ACCESS_TTL:
        return []
    return [
        checks.Warning(
            "ACCESS_TOKEN_EXPIRE_MINUTES is more than an hour.",
            hint="Set it to 60 or less; clients refresh by themselves.",
            id="auth.W057",
        )
    ]


def repeated_refreshes_are_noticed(**_: Any) -> list[CheckMessage]:
    if settings.AUTH_REFRESH_GRACE <= LONGEST_REFRESH_GRACE:
        return []
    return [
        checks.Warning(
            "AUTH_REFRESH_GRACE lets a copied refresh token be used for more than a minute.",
            hint="Set it to 60 or less.",
            id="auth.W062",
        )
    ]


CHECKS = (
    blacklist_is_installed,
    simplejwt_cannot_sign,
    self_service_tiers_exist,
    grantable_apps_are_installed,
    concealed_accounts_are_verified,
    breached_passwords_are_asked_safely,
    sender_is_an_address,
)
DEPLOY_CHECKS = (
    hashes_are_slow_enough,
    weak_passwords_are_refused,
    tokens_are_short_lived,
    repeated_refreshes_are_noticed,
)
