"""Hashes of nobody, to be checked for names of nobody.

Checking a hash of another system, or of older parameters, takes another time than one of ours. So a
name that nobody has, or somebody without a password, answers in the time of a hash like those that
are stored: drawn by the name, each kind as often as accounts have it. Time then tells nothing.
"""

import time
from datetime import timedelta
from typing import Any

from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db.models import Count, Q
from django.utils.crypto import salted_hmac

from accounts.hashers import Argon2idHasher
from accounts.imported_hashes import zero_of
from accounts.models import User
from security.jobs import exclusively, keep_result, last_result

JOB = "sample-hashes"
LEASE = timedelta(minutes=5)
KEPT = 200
# A sample: of a million imported users these tell what kinds of hashes there are.
LOOKED_AT = 10_000
SECONDS_BELIEVED = 300.0


class Decoys:
    """What the job found, as this process knows it."""

    def __init__(self) -> None:
        self._believed_until = 0.0
        # Replaced as one: threads read it while another loads.
        self._found: tuple[float, list[str]] = (0.0, [])

    def draw(self, name: str) -> str:
        """The hash to check for this name: a decoy, or none, which costs one of our own."""
        if time.monotonic() >= self._believed_until:
            self._load()
        digest = salted_hmac("accounts.decoys", name, algorithm="sha256").digest()
        place = int.from_bytes(digest[:8]) / 2**64
        share, hashes = self._found
        if place >= share:
            return UNUSABLE_PASSWORD_PREFIX
        return hashes[int(place / share * len(hashes))]

    def forget(self) -> None:
        self._believed_until = 0.0

    def _load(self) -> None:
        result = last_result(JOB)
        hashes = list(result.get("hashes", []))
        self._found = (float(result["share"]) if hashes else 0.0, hashes)
        self._believed_until = time.monotonic() + SECONDS_BELIEVED


decoys = Decoys()


def sample_hashes() -> None:
    """Look what kinds of hashes accounts have, for every process's `decoys`."""
    with exclusively(JOB, lease=LEASE) as mine:
        if mine:
            keep_result(JOB, _sample())


def _sample() -> dict[str, Any]:
    usable = ~Q(password__startswith=UNUSABLE_PASSWORD_PREFIX)
    others = usable & ~Q(password__startswith=_ours())
    counts = User.objects.aggregate(
        usable=Count("pk", filter=usable), others=Count("pk", filter=others)
    )
    stored = User.objects.filter(others).order_by("-pk").values_list("password", flat=True)
    # In one order whatever was drawn: a name keeps its kind of hash from one sample to the next.
    seen = sorted(decoy_of(encoded) for encoded in stored[:LOOKED_AT].iterator())
    share = counts["others"] / max(counts["usable"], 1)
    return {"share": share, "hashes": seen[:: len(seen) // KEPT + 1]}


def decoy_of(encoded: str) -> str:
    """A hash that costs what this one does, and that holds nothing of its password."""
    head, _, last = encoded.rpartition("$")
    digest = last.rstrip("=")
    return f"{head}${zero_of(encoded) * len(digest)}{last[len(digest) :]}"


def _ours() -> str:
    ours = Argon2idHasher
    cost = f"m={ours.memory_cost},t={ours.time_cost},p={ours.parallelism}"
    return f"{ours.algorithm}$argon2id$v=19${cost}$"
