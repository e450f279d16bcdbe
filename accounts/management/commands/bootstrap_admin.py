"""Makes the first admin."""

import secrets
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.services.registration import bootstrap_admin
from security.errors import AuthError


class Command(BaseCommand):
    help = (
        "Make the first admin from FIRST_SUPERUSER_* or ADMIN_*; without a password one is made "
        "and printed once. Does nothing once an admin has existed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        password = settings.FIRST_SUPERUSER_PASSWORD
        generated = "" if password else secrets.token_urlsafe(15)
        try:
            admin = bootstrap_admin(password=password or generated)
        except AuthError as error:
            raise CommandError(f"The first admin can't be made: {error.sentences}") from error
        if admin is None:
            return
        self.stdout.write(f"Made the first admin: {admin.email or admin.username}")
        if generated:
            self.stdout.write(f"Its password, shown only now: {generated}")
