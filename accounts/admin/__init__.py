"""The console's pages of users, roles, API keys, sites and mail."""

from accounts.admin import api_keys, mail, roles, sites, users

__all__ = ["api_keys", "mail", "roles", "sites", "users"]
