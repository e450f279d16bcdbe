"""The console's pages of users, roles and API keys."""

from accounts.admin import api_keys, roles, users

__all__ = ["api_keys", "roles", "users"]
