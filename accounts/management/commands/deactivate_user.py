"""Deactivates a user."""

from typing import Any

from accounts.management.user_commands import UserChange


class Command(UserChange):
    help = (
        "Deactivate a user: their sessions end, their tokens and API keys are refused within a "
        "second, and they are told by mail. Never the last active admin. The trail says who did it."
    )

    def changes(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"is_active": False}
