"""The rows of where you are signed in."""

from sessions_app.models.device_session import DeviceSession

__all__ = ["DeviceSession"]
