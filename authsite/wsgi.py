"""What the app server loads; it refuses to serve with settings that fail their checks."""

import os
import sys
from importlib import import_module

from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "authsite.settings")
application = get_wsgi_application()

# Imported now, so that the first request does not wait for it.
import_module(settings.ROOT_URLCONF)
errors = [message for message in run_checks(tags=["auth_settings"]) if message.level >= ERROR]
if errors:
    sys.stderr.write("".join(f"{error}\n" for error in errors))
    # gunicorn ends at this code of a process; at any other it would start the next one, for ever.
    sys.exit(3)

# Models can be imported only now.
from security.cache_watch import cache_watch  # noqa: E402
from security.keyring import keyring  # noqa: E402

keyring.warm()
if settings.SHARED_CACHE:
    cache_watch.start()
