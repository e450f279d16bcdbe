"""What a change made untrue is dropped even if the process that changed it could not."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import TestCase
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError

from accounts.models import User
from security import dropping, shared_cache
from security.cache_watch import CacheWatch
from security.models import PendingDrop
from security.redis_connections import RUN_ID, ServerWatch, server_watch
from security.shared_cache import SharedCache
from tests.client import Client, assert_problem

pytestmark = pytest.mark.shared


@pytest.fixture(autouse=True)
def settled(db: None) -> Iterator[None]:
    """Nobody is in doubt before and after a test about doubts."""
    believe()
    yield
    believe()


def believe() -> None:
    shared_cache.shared_cache._paused_until = 0.0
    assert shared_cache.shared_cache.disown_everything()


def refuse_writes(patch: pytest.MonkeyPatch, error: Exception) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    for name in ("set", "set_many", "add", "delete", "touch"):
        patch.setattr(cache, name, refuse)


def warm(alice: User) -> Client:
    """A client whose session this and every other process has cached."""
    client = Client()
    client.sign_in("alice")
    assert client.get("/users/me").status_code == 200
    return client


def test_a_drop_that_its_process_could_not_do_is_done_by_another(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = warm(alice)
    other = SharedCache()
    with monkeypatch.context() as patch:
        refuse_writes(patch, RedisConnectionError("gone"))
        assert client.post("/auth/logout").status_code == 200
    key = f"session:{alice.device_sessions.get().pk}"
    assert other.read(key)[0] is not None, "the cache still holds what the logout made untrue"

    monkeypatch.setattr(dropping, "shared_cache", other)
    assert dropping.work_off() >= 1
    assert other.read(key)[0] is None
    assert not PendingDrop.objects.exists()


def test_what_could_not_be_dropped_stays_noted(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = warm(alice)
    with monkeypatch.context() as patch:
        refuse_writes(patch, RedisConnectionError("gone"))
        client.post("/auth/logout")
        assert dropping.work_off() == 0
    assert PendingDrop.objects.exists()


def test_a_change_that_is_rolled_back_notes_nothing(db: None) -> None:
    with transaction.atomic():
        dropping.drop_after_commit(["one"])
        transaction.set_rollback(True)
    assert not PendingDrop.objects.exists()


@pytest.mark.parametrize("many", [True, False])
def test_many_notes_become_one_new_epoch(
    db: None, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dropping, "MOST_NOTES", 2)
    _, before = shared_cache.shared_cache.read("thing")
    with TestCase.captureOnCommitCallbacks():
        for key in ("one", "two", "three") if many else ("one", "two"):
            dropping.drop_after_commit([key])
    dropping.work_off()
    _, after = shared_cache.shared_cache.read("thing")
    assert (after != before) == many
    assert not PendingDrop.objects.exists()


def test_a_cache_that_takes_no_writes_is_not_read(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full, or a replica without its primary: no other process could drop anything there."""
    memory = SharedCache()
    monkeypatch.setattr("security.cache_watch.shared_cache", memory)
    _, epoch = memory.read("thing")
    with monkeypatch.context() as patch:
        refuse_writes(patch, OutOfMemoryError("full"))
        CacheWatch().look()
        assert memory.read("thing") == (None, None)
    memory._paused_until = 0.0
    CacheWatch().look()
    assert memory.read("thing")[1] not in {None, epoch}


def test_another_server_is_not_believed(alice: User) -> None:
    """It restarted or took over, and may have lost what the one before was told."""
    client = warm(alice)
    key = f"session:{alice.device_sessions.get().pk}"
    assert shared_cache.shared_cache.read(key)[0] is not None
    server_watch.changes += 1
    assert shared_cache.shared_cache.read(key)[0] is None
    assert client.get("/users/me").status_code == 200


def test_a_new_connection_tells_which_server_answers(db: None) -> None:
    watch = ServerWatch()
    for run_id in ("a", "a", "b", "b", "a"):
        watch.see(run_id)
    assert watch.changes == 2
    cache.get("thing")
    client = cache.client.get_client()  # type: ignore[attr-defined]
    assert server_watch._run_id == client.info("server")["run_id"]
    assert RUN_ID.search(f"run_id:{server_watch._run_id}\r\n")


def test_a_logout_leaves_nothing_noted_for_long(alice: User) -> None:
    client = warm(alice)
    client.post("/auth/logout")
    assert PendingDrop.objects.exists()
    CacheWatch().look()
    assert not PendingDrop.objects.exists()
    assert_problem(client.get("/users/me"), 401, "session_ended")


def test_a_note_committed_meanwhile_is_not_done_with(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may be smaller than those that were read; whoever wrote it may be dead."""
    noted = PendingDrop.objects.create(pk=1000, keys=None)
    disown = SharedCache.disown_everything

    def commit_meanwhile(memory: SharedCache) -> bool:
        PendingDrop.objects.create(pk=999, keys=["late"])
        return disown(memory)

    monkeypatch.setattr(SharedCache, "disown_everything", commit_meanwhile)
    assert dropping.work_off() == 1
    monkeypatch.undo()
    assert not PendingDrop.objects.filter(pk=noted.pk).exists()
    assert PendingDrop.objects.get().keys == ["late"]
