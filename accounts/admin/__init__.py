"""The console's pages of users and roles."""

from accounts.admin import roles, users

__all__ = ["roles", "users"]
