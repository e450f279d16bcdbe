"""The shared cache may fail, and never makes anything valid."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.core.cache import cache
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError
from structlog.testing import capture_logs

from accounts.models import User
from security import shared_cache
from security.shared_cache import SharedCache
from tests.client import Client, assert_problem

TTL = timedelta(seconds=30)


@pytest.fixture
def memory() -> Iterator[SharedCache]:
    yield SharedCache()
    cache.delete_many(["thing", "other"])


def fail(*_: object, **__: object) -> None:
    raise RedisConnectionError("gone")


def full(*_: object, **__: object) -> None:
    raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'")


def read_only(*_: object, **__: object) -> None:
    raise ReadOnlyError("You can't write against a read only replica.")


def refuse(patch: pytest.MonkeyPatch, answer: Callable[..., None], *names: str) -> None:
    for name in names:
        patch.setattr(cache, name, answer)


VALUES = ("set", "set_many", "add")
CHANGES = (*VALUES, "delete", "touch")


@pytest.fixture
def broken_cache() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, fail, "get", "get_many", *CHANGES)
        yield
    # The process as it was before.
    vars(shared_cache.shared_cache).update(vars(SharedCache()))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the pause after a failure."""
    monkeypatch.setattr(shared_cache, "PAUSE_SECONDS", 0.0)


def test_what_was_stored_is_read(memory: SharedCache) -> None:
    value, epoch = memory.read("thing")
    assert value is None
    memory.store("thing", {"a": 1}, epoch=epoch, ttl=TTL)
    assert memory.read("thing") == ({"a": 1}, epoch)


def test_a_reader_from_before_a_drop_cannot_store_what_it_saw(memory: SharedCache) -> None:
    _, epoch = memory.read("thing")
    memory.drop(["thing"])
    memory.store("thing", "stale", epoch=epoch, ttl=TTL)
    assert memory.read("thing")[0] is None


def test_a_new_epoch_disowns_everything_cached_before(memory: SharedCache) -> None:
    _, epoch = memory.read("thing")
    memory.store("thing", "old", epoch=epoch, ttl=TTL)
    memory.disown_everything()
    value, new_epoch = memory.read("thing")
    assert value is None
    assert new_epoch != epoch
    memory.store("other", "new", epoch=new_epoch, ttl=TTL)
    assert memory.read("other")[0] == "new"


def test_a_flushed_cache_is_only_empty(memory: SharedCache) -> None:
    _, epoch = memory.read("thing")
    memory.store("thing", "value", epoch=epoch, ttl=TTL)
    cache.delete_many(["thing", shared_cache.EPOCH])
    value, new_epoch = memory.read("thing")
    assert value is None
    assert new_epoch not in {None, epoch}


@pytest.mark.usefixtures("broken_cache")
def test_without_the_cache_the_database_answers(client: Client, alice: User) -> None:
    client.sign_in("alice")
    assert client.get("/users/me").status_code == 200
    assert client.post("/auth/logout").status_code == 200
    assert_problem(client.get("/users/me"), 401, "session_ended")


def test_a_drop_that_failed_is_made_good_when_the_cache_is_back(
    memory: SharedCache, impatient: None
) -> None:
    _, epoch = memory.read("thing")
    memory.store("thing", "stale", epoch=epoch, ttl=TTL)
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, fail, "get", "get_many", *CHANGES)
        memory.drop(["thing"])
        assert memory.read("thing") == (None, None)
    assert memory.read("thing")[0] is None
    assert SharedCache().read("thing")[0] is None


def test_a_drop_that_failed_reaches_others_without_another_request(
    memory: SharedCache, impatient: None
) -> None:
    other = SharedCache()
    _, epoch = memory.read("thing")
    memory.store("thing", "stale", epoch=epoch, ttl=TTL)
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, fail, "set_many")
        memory.drop(["thing"])
    memory.tend()
    assert other.read("thing")[0] is None


def test_a_drop_in_a_full_cache_is_made_good_at_once(memory: SharedCache) -> None:
    """It takes no tombstone and no new epoch, but lets the old one be deleted."""
    other = SharedCache()
    _, epoch = memory.read("thing")
    memory.store("thing", "stale", epoch=epoch, ttl=TTL)
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, full, *VALUES)
        memory.drop(["thing"])
        memory.tend()
    assert other.read("thing")[0] is None
    assert other.read("thing")[1] not in {None, epoch}


def test_a_cache_that_takes_no_change_is_not_believed(
    memory: SharedCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process could not drop there what this one would go on reading."""
    _, epoch = memory.read("thing")
    memory.store("thing", "value", epoch=epoch, ttl=TTL)
    assert memory.read("thing")[0] == "value"
    monkeypatch.setattr(shared_cache, "PROOF_SECONDS", 0.0)
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, read_only, *CHANGES)
        assert memory.read("thing") == (None, None)


def test_a_slow_cache_is_left_alone_until_it_is_quick_again(
    memory: SharedCache, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.read("thing")
    with monkeypatch.context() as slow, capture_logs() as logs:
        slow.setattr(shared_cache, "SLOW_SECONDS", -1.0)
        memory.tend()
        assert memory.read("thing") == (None, None)
    assert [log["event"] for log in logs] == ["cache.unavailable"]
    with capture_logs() as logs:
        assert memory.read("thing")[1] is not None
    assert [log["event"] for log in logs] == ["cache.available"]


def test_a_failure_during_the_making_good_is_owed_still(memory: SharedCache) -> None:
    memory.read("thing")

    def fail_meanwhile(*_: object) -> None:
        with pytest.MonkeyPatch.context() as patch:
            refuse(patch, fail, "set_many")
            memory.drop(["thing"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "delete", fail_meanwhile)
        memory.disown_everything()
    assert memory._in_doubt()
    memory.tend()
    memory._paused_until = 0.0
    memory.tend()
    assert not memory._in_doubt()
