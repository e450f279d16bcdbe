"""The shared cache may fail, and never makes anything valid."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.cache import cache
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts.models import User
from security import shared_cache
from security.shared_cache import SharedCache
from tests.client import Client, assert_problem

TTL = timedelta(seconds=30)


@pytest.fixture
def memory() -> Iterator[SharedCache]:
    yield SharedCache()
    cache.delete_many(["thing", "other"])


@pytest.fixture
def broken_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RedisConnectionError("gone")

    for name in ("get", "get_many", "set", "set_many", "add"):
        monkeypatch.setattr(cache, name, fail)


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
    memory: SharedCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, epoch = memory.read("thing")
    memory.store("thing", "stale", epoch=epoch, ttl=TTL)

    def fail(*_: object, **__: object) -> None:
        raise RedisConnectionError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(cache, "set_many", fail)
        memory.drop(["thing"])
        assert memory.read("thing") == (None, None)
    monkeypatch.setattr(shared_cache, "PAUSE_SECONDS", 0.0)
    memory._paused_until = 0.0
    assert memory.read("thing")[0] is None
    assert SharedCache().read("thing")[0] is None
