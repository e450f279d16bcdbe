"""The ground: keys, audit, logs, errors."""

from django.apps import AppConfig
from django.core.checks import register

from security.checks import CHECKS
from security.deploy_checks import DEPLOY_CHECKS


class SecurityConfig(AppConfig):
    name = "security"
    verbose_name = "Security"

    def ready(self) -> None:
        for check in CHECKS:
            register(check, "auth_settings")
        for check in DEPLOY_CHECKS:
            register(check, "auth_settings", deploy=True)
