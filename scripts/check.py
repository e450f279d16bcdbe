"""Django's checks, missing migrations and the OpenAPI document, in one process for speed."""

import os
import sys

import django
from django.core.management import call_command

sys.path.insert(0, os.getcwd())
os.environ["DJANGO_SETTINGS_MODULE"] = "authsite.settings"
django.setup()
call_command("check", fail_level="WARNING")
call_command("makemigrations", check_changes=True, dry_run=True)
call_command("spectacular", validate=True, fail_on_warn=True, file=os.devnull)
