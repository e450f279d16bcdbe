"""Argon2 with the parameters of everybody else here."""

import os

from django.contrib.auth.hashers import Argon2PasswordHasher


class Hasher(Argon2PasswordHasher):
    time_cost = int(os.environ["ARGON2_TIME_COST"])
    memory_cost = int(os.environ["ARGON2_MEMORY_KIB"])
    parallelism = int(os.environ["ARGON2_PARALLELISM"])
