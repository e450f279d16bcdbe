"""The quota of a role: counted once a request, shared by all processes, told in every answer."""

import re
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts.api_keys import _checksum
from accounts.models import Role, User
from security import meters, shared_cache
from security.meters import LocalCounters, Meter
from tests.accounts.test_budgets import round_trips
from tests.client import Client, assert_problem

__all__ = ["round_trips"]


@pytest.fixture(autouse=True)
def small_quota(limits_on: None, settings: Any) -> None:
    # The quota alone is counted here.
    settings.AUTH_LIMIT_RATES = dict.fromkeys(settings.AUTH_LIMIT_RATES, ())
    Role.objects.filter(pk="user").update(quota=3, quota_seconds=50)


@pytest.fixture
def signed_in(alice: User) -> Client:
    client = Client()
    client.sign_in("alice")
    return client


def left(answer: Any) -> tuple[int, int]:
    """What is left of the quota, and for how many seconds."""
    found = re.fullmatch(r'"quota";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
    assert found, answer.headers["RateLimit"]
    return int(found[1]), int(found[2])


def test_every_answer_tells_what_is_left(signed_in: Client) -> None:
    for expected in (2, 1, 0):
        answer = signed_in.get("/users/me")
        assert answer.status_code == 200
        assert answer.headers["RateLimit-Policy"] == '"quota";q=3;w=50'
        remaining, seconds = left(answer)
        assert remaining == expected
        assert 45 <= seconds <= 50


def test_beyond_it_the_answer_is_429_until_the_window_ends(signed_in: Client) -> None:
    for _ in range(3):
        assert signed_in.get("/sessions").status_code == 200
    for _ in range(2):
        answer = signed_in.get("/users/me")
        assert_problem(answer, 429, "rate_limited")
        assert left(answer)[0] == 0
        assert 1 <= int(answer.headers["Retry-After"]) <= 50


def test_what_is_forbidden_counts_and_is_refused_too(signed_in: Client) -> None:
    for expected in (2, 1, 0):
        answer = signed_in.get("/users")
        assert_problem(answer, 403, "permission_denied")
        assert left(answer)[0] == expected
    assert_problem(signed_in.get("/users"), 429, "rate_limited")


def test_all_sessions_and_keys_of_a_user_share_it(signed_in: Client, alice: User) -> None:
    key = Client(signed_in.post("/api-keys", {"name": "x"}).json()["key"])
    other = Client()
    other.sign_in("alice")
    assert left(key.get("/users/me"))[0] == 1
    assert left(other.get("/users/me"))[0] == 0
    assert_problem(signed_in.get("/users/me"), 429, "rate_limited")


def test_users_do_not_share_it(signed_in: Client, bob: User) -> None:
    for _ in range(4):
        signed_in.get("/users/me")
    other = Client()
    other.sign_in("bob")
    assert left(other.get("/users/me"))[0] == 2


def test_a_window_that_ended_begins_anew(signed_in: Client) -> None:
    Role.objects.filter(pk="user").update(quota=1, quota_seconds=1)
    statuses = [signed_in.get("/users/me").status_code for _ in range(2)]
    assert statuses == [200, 429]
    answer = signed_in.get("/users/me")
    while answer.status_code == 429:
        answer = signed_in.get("/users/me")
    assert answer.status_code == 200


def test_another_role_has_another_quota_at_once(signed_in: Client, admin: User) -> None:
    operator = Client()
    operator.sign_in("root")
    for _ in range(4):
        signed_in.get("/users/me")
    operator.patch(f"/users/{User.objects.get(username='alice').pk}", {"role": "moderator"})
    assert left(signed_in.get("/users/me"))[0] > 1000
    operator.patch("/roles/moderator", {"quota": 1})
    assert left(signed_in.get("/users/me"))[0] == 0


def test_a_key_may_have_a_quota_of_its_own(signed_in: Client) -> None:
    Role.objects.filter(pk="user").update(quota=10)
    made = signed_in.post("/api-keys", {"name": "x", "quota": 2}).json()
    assert made["quota"] == 2
    key = Client(made["key"])
    assert 'key";q=2;w=50' in key.get("/users/me").headers["RateLimit-Policy"]
    assert key.get("/users/me").status_code == 200
    assert_problem(key.get("/users/me"), 429, "rate_limited")
    assert signed_in.get("/users/me").status_code == 200


def test_who_knows_only_a_keys_prefix_uses_nothing_up(signed_in: Client) -> None:
    text = signed_in.post("/api-keys", {"name": "x"}).json()["key"]
    key = Client(text)
    before = left(key.get("/users/me"))[0]
    for _ in range(5):
        assert_problem(Client(forged(text)).get("/users/me"), 401, "token_invalid")
    assert left(key.get("/users/me"))[0] == before - 1


def forged(text: str) -> str:
    """Another secret under the same prefix, with a right checksum."""
    body = text[:12] + "0" * 64
    return body + _checksum(body)


def test_introspection_costs_the_bearer_nothing(signed_in: Client, admin: User) -> None:
    operator = Client()
    operator.sign_in("root")
    for _ in range(5):
        told = operator.form("/auth/introspect", f"token={signed_in.access_token}").json()
        assert told["active"]
    assert left(signed_in.get("/users/me"))[0] == 2


def test_limits_can_be_lifted(signed_in: Client, settings: Any) -> None:
    settings.AUTH_LIMITS = False
    for _ in range(5):
        answer = signed_in.get("/users/me")
        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers


def test_without_the_cache_each_process_counts_alone(
    signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise RedisConnectionError("gone")

    monkeypatch.setattr(shared_cache.SharedCache, "_run", gone)
    monkeypatch.setattr(shared_cache.shared_cache, "_paused_until", 0.0)
    statuses = [signed_in.get("/users/me").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    shared_cache.shared_cache._paused_until = 0.0


@pytest.mark.shared
def test_it_costs_no_further_round_trip(signed_in: Client, round_trips: list[object]) -> None:
    signed_in.get("/users/me")
    round_trips.clear()
    assert left(signed_in.get("/users/me"))[0] == 1
    assert len(round_trips) == 1


@pytest.mark.shared
def test_processes_count_together(alice: User) -> None:
    meter = Meter("test", str(alice.pk), 10, 60)
    counted = [shared_cache.SharedCache().count([(meter.key, 60)]) for _ in range(3)]
    assert [pairs[0][0] for pairs in counted if pairs] == [1, 2, 3]


def test_a_process_remembers_so_many_windows_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "MOST_LOCAL", 2)
    counters = LocalCounters()
    assert [counters.count(key, 60)[0] for key in ("a", "b", "a", "c", "b", "a")] == [
        1,
        1,
        2,
        1,
        2,
        1,
    ]
