"""Tables and users of the stock project: `python -m benchmarks.peers.stock_simplejwt.seed`."""

import json
import os

import django
from django.contrib.auth.hashers import make_password
from django.core.management import call_command

django.setup()

from django.contrib.auth.models import User  # noqa: E402  (models can be imported only now)

call_command("migrate", verbosity=0)
password = make_password(os.environ["PASSWORD"])
User.objects.bulk_create(
    User(username=name, email=name, first_name="Ada", last_name="Lovelace", password=password)
    for name in json.loads(os.environ["USERS"])
)
