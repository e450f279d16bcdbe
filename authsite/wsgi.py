"""What the app server loads; it refuses to serve with settings that fail their checks."""

import os
import sys
from importlib import import_module

from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.core.handlers.wsgi import WSGIRequest
from django.core.wsgi import get_wsgi_application


class UTF8Request(WSGIRequest):
    """Text in UTF-8 whatever charset is claimed: some can't be read, or say what UTF-8 can't."""

    @property
    def encoding(self) -> str:
        return "utf-8"

    @encoding.setter
    def encoding(self, claimed: str) -> None:
        """Nothing becomes of it."""


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authsite.settings")
application = get_wsgi_application()
# Before any middleware, since Django reads the query string by that charset even earlier.
application.request_class = UTF8Request

# Imported now, so that the first request does not wait for it.
import_module(settings.ROOT_URLCONF)
found = run_checks(tags=["auth_settings"])
sys.stderr.write("".join(f"{message}\n" for message in found))
if any(message.level >= ERROR for message in found):
    # gunicorn ends at this code of a process; at any other it would start the next one, for ever.
    sys.exit(3)

# Models can be imported only now.
from security.cache_watch import cache_watch  # noqa: E402
from security.keyring import keyring  # noqa: E402

keyring.warm()
if settings.SHARED_CACHE:
    cache_watch.start()
