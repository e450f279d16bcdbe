"""The console's messages, until they are shown."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage


class HostOnlyCookieStorage(CookieStorage):
    """In a cookie that is named as the console's others; what is too long for it is dropped."""

    cookie_name = f"{settings.HOST_ONLY}messages"
