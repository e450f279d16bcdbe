"""The console's pages of users, roles, API keys and sites."""

from accounts.admin import api_keys, roles, sites, users

__all__ = ["api_keys", "roles", "sites", "users"]
