"""Who you are."""

from django.apps import AppConfig
from django.core.checks import register

from accounts.checks import CHECKS, DEPLOY_CHECKS


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        for check in CHECKS:
            register(check, "auth_settings")
        for check in DEPLOY_CHECKS:
            register(check, "auth_settings", deploy=True)
