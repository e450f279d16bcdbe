"""The console's pages of keys and the trail."""

from security.admin import audit_events, signing_keys

__all__ = ["audit_events", "signing_keys"]
