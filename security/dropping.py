"""Making every process forget what a change made untrue: at the commit, and also after a crash.

A change notes what it drops in its own transaction (a transactional outbox). The process that
changed it drops it at the commit; each web process works the notes off within half a second,
should the first one have died or lost sight of Redis in between.
"""

from collections.abc import Iterable

from django.conf import settings
from django.db import transaction

from security.models import PendingDrop
from security.shared_cache import shared_cache

# Notes worked off at once; beyond that a new epoch is cheaper than naming keys.
MOST_NOTES = 200


def drop_after_commit(keys: Iterable[str]) -> None:
    """Make every process ask the database about these keys, from the caller's commit on."""
    named = list(keys)
    if not named:
        return
    _note(named)
    transaction.on_commit(lambda: shared_cache.drop(named))


def disown_after_commit() -> None:
    """The same for everything that is cached."""
    _note(None)
    transaction.on_commit(shared_cache.disown_everything)


def work_off() -> int:
    """Drop what is noted, once more or for the first time; how many notes are done with."""
    notes = list(PendingDrop.objects.order_by("pk")[: MOST_NOTES + 1])
    if not notes:
        return 0
    if len(notes) > MOST_NOTES or any(note.keys is None for note in notes):
        done = shared_cache.disown_everything()
    else:
        done = shared_cache.drop(key for note in notes for key in note.keys or ())
    if not done:
        return 0
    # Only those that were read: one with a smaller number may be committed at this very moment.
    return PendingDrop.objects.filter(pk__in=[note.pk for note in notes]).delete()[0]


def _note(keys: list[str] | None) -> None:
    # The in-process cache dies with its only process.
    if settings.SHARED_CACHE:
        PendingDrop.objects.create(keys=keys)
