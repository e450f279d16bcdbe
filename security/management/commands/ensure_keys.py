"""Makes the first signing keys where there are none, and proves that the present ones open."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from security.key_material import UnusableKey
from security.key_rotation import check_current_key, ensure_first_keys
from security.sealing import SealBroken


class Command(BaseCommand):
    help = (
        "Make the first signing keys if there are none; fail if the present ones can't be opened."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if ensure_first_keys():
                self.stdout.write("Made the first signing keys.")
            check_current_key()
        except SealBroken as error:
            raise CommandError(
                "The signing keys can't be opened with KEY_ENCRYPTION_KEYS. Restore the value they "
                "were sealed with; no new key is made in their place."
            ) from error
        except UnusableKey as error:
            raise CommandError(f"PRIVATE_KEY_PATH can't be used: {error}.") from error
