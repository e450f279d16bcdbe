"""Prints fresh secrets, ready for an environment file."""

from typing import Any

from cryptography.fernet import Fernet
from django.core.management.base import BaseCommand
from django.core.management.utils import get_random_secret_key


class Command(BaseCommand):
    help = "Print a new SECRET_KEY and a new KEY_ENCRYPTION_KEYS; nothing is stored."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"SECRET_KEY='{get_random_secret_key()}'")
        self.stdout.write(f"KEY_ENCRYPTION_KEYS='{Fernet.generate_key().decode()}'")
