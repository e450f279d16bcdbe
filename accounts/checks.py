"""Wrong settings and a wrong installation, found at start."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error
from rest_framework_simplejwt.settings import api_settings


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


CHECKS = (
    blacklist_is_installed,
    simplejwt_cannot_sign,
    self_service_tiers_exist,
    grantable_apps_are_installed,
)
