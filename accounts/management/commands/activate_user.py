"""Activates a user again."""

from typing import Any

from accounts.management.user_commands import UserChange


class Command(UserChange):
    help = "Let a deactivated user sign in again. The trail says who did it."

    def changes(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"is_active": True}
