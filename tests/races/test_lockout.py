"""However many wrong passwords come at once, no more are looked at than may fail."""

import os
import re
from collections.abc import Iterator
from threading import Thread
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.client import API, PASSWORD
from tests.races.racing import Answer, Call, release_together, run_at_once
from tests.service import Service
from tests.waiting import wait_until

pytestmark = pytest.mark.shared

CALLERS = 200
ROUNDS = 20
A_NETWORK, AN_ACCOUNT = 5, 20
TOKEN = "a-token-for-the-metrics-of-this-test"
NOTHING_LISTENS = "redis://127.0.0.1:1/0"
ALMOST_LOCKED = """
from accounts.models import SignInFailures, User
user = User.objects.get(email={email!r})
SignInFailures.objects.create(slot=str(user.pk), user=user, failures=70)
"""
SETTINGS = {
    "AUTH_LIMITS": "on",
    "AUTH_LIMIT_LOGIN": "100000/m",
    "AUTH_LIMIT_LOGIN_ADDRESS": "100000/m",
    "AUTH_LIMIT_LOGIN_DEVICE": "100000/m",
    "AUTH_LIMIT_REGISTER": "1000/m",
    "AUTH_LIMIT_PASSWORD": "100000/m",
    "AUTH_METRICS_TOKEN": TOKEN,
    "TRUSTED_PROXIES": "127.0.0.1",
}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    urls = os.environ["TEST_DATABASE_URL"], os.environ["TEST_REDIS_URL"]
    with Service.shared(*urls, **SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def alone() -> Iterator[Service]:
    """Its two processes see no Redis."""
    own = {"CELERY_BROKER_URL": "filesystem://localhost//"}
    url = os.environ["TEST_DATABASE_URL"]
    with Service.shared(url, NOTHING_LISTENS, **SETTINGS, **own) as running:
        yield running


def looked_at(service: Service) -> int:
    """Wrong passwords that were looked at, as the metrics of both processes count them."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    text = httpx.get(f"{service.url}/metrics", headers=headers).text
    found = re.search(r'auth_sign_ins_total\{result="invalid_credentials"\} (\d+)', text)
    return int(found[1]) if found else 0


def register(service: Service) -> str:
    email = f"{uuid4().hex}@example.com"
    with service.client() as http:
        user = {"email": email, "password": PASSWORD}
        assert http.post("/auth/register", json=user).status_code == 201
    return email


def fail_together(service: Service, email: str, *, networks: int) -> list[Answer]:
    body = {"email": email, "password": "not the password"}
    calls = [
        Call(
            "POST",
            f"{API}/auth/login",
            body,
            headers={"X-Forwarded-For": f"203.0.113.{number % networks}"},
        )
        for number in range(CALLERS)
    ]
    answers = release_together(service.url, calls)
    # Those for whom no slot to hash in was free in time are told to come again.
    assert {a.status for a in answers} <= {401, 429, 503}
    assert {a.body["code"] for a in answers if a.status == 429} == {"login_cooldown"}
    return answers


def signed_in(service: Service, email: str) -> str:
    """An access token of the user's."""
    with service.client() as http:
        answer = http.post("/auth/login", json={"email": email, "password": PASSWORD})
    token: str = answer.json()["access_token"]
    return token


def guess_together(service: Service, token: str) -> int:
    """Guess the password of a live session; how many guesses were looked at."""
    wrong = "not the password"
    asked = [
        ("POST", "/users/me/password", {"current_password": wrong, "new_password": PASSWORD * 2}),
        ("POST", "/auth/email/change", {"new_email": "x@example.com", "password": wrong}),
        ("DELETE", "/users/me", {"password": wrong}),
    ]
    calls = []
    for number in range(CALLERS):
        method, path, body = asked[number % len(asked)]
        if "new_email" in body:
            body = body | {"new_email": f"{uuid4().hex}@example.com"}
        headers = {"X-Forwarded-For": f"203.0.113.{number}"}
        calls.append(Call(method, f"{API}{path}", body, token, headers))
    answers = release_together(service.url, calls)
    assert {answer.status for answer in answers} <= {403, 422, 429}
    return sum(answer.status != 429 for answer in answers)


def failures(service: Service, email: str) -> tuple[int, int]:
    """What the database has counted for the account: strangers' and devices'."""
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT f.failures, f.device_failures FROM accounts_signinfailures f"
            " JOIN accounts_user u ON u.id = f.user_id WHERE u.email = %s",
            (email,),
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def refused(answers: list[Answer]) -> int:
    return sum(answer.status == 401 for answer in answers)


def turned_away(answers: list[Answer]) -> int:
    """Who held a place, but got no look at their password."""
    return sum(answer.status == 503 for answer in answers)


def rounds_in_sight_of_redis(service: Service) -> Iterator[int]:
    """Each with what the log was long before; over after the first in which `saw_redis`."""
    for _ in range(ROUNDS):
        told = wait_until(lambda: log_in_sight_of_redis(service))
        yield len(told)
        if saw_redis(service, len(told)):
            return
    raise AssertionError(f"Redis was out of sight in each of {ROUNDS} rounds.")


def log_in_sight_of_redis(service: Service) -> str:
    """What was logged so far; nothing while a process does without Redis."""
    told = service.log.read_text()
    return told if told.rfind("cache.unavailable") <= told.rfind("cache.available") else ""


def saw_redis(service: Service, since: int) -> bool:
    """Whether no process lost sight of it, as on a busy machine one may for a moment."""
    return "cache.unavailable" not in service.log.read_text()[since:]


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize(("networks", "most"), [(1, A_NETWORK), (CALLERS, AN_ACCOUNT)])
def test_no_more_reach_the_hasher_than_may_fail(
    service: Service, networks: int, most: int, known: bool
) -> None:
    for since in rounds_in_sight_of_redis(service):
        email = register(service) if known else f"{uuid4().hex}@example.com"
        before = looked_at(service)
        answers = fail_together(service, email, networks=networks)
        count = refused(answers)
        assert looked_at(service) - before == count
        assert count <= 3 * most
        if saw_redis(service, since):
            assert count <= most <= count + turned_away(answers)


def test_a_stolen_token_lets_no_more_reach_the_hasher_than_a_device(service: Service) -> None:
    """Wherever a live session is asked for its password, from 200 networks."""
    for since in rounds_in_sight_of_redis(service):
        email = register(service)
        count = guess_together(service, signed_in(service, email))
        assert failures(service, email) == (0, count)
        assert count <= 3 * A_NETWORK
        if saw_redis(service, since):
            assert count == A_NETWORK


def test_the_owner_signs_in_on_a_known_device_while_strangers_hammer(service: Service) -> None:
    email = register(service)
    owner = service.client()
    body = {"email": email, "password": PASSWORD}
    strangers: list[Answer] = []

    def hammer() -> None:
        for _ in range(3):
            strangers.extend(fail_together(service, email, networks=CALLERS))

    with owner:
        # From an address that the strangers have, too.
        headers = {"X-Forwarded-For": "203.0.113.1"}
        assert owner.post("/auth/login", json=body, headers=headers).status_code == 200
        hammering = Thread(target=hammer)
        hammering.start()
        statuses = []
        while hammering.is_alive():
            statuses.append(owner.post("/auth/login", json=body, headers=headers).status_code)
            hammering.join(0.2)
        statuses.append(owner.post("/auth/login", json=body, headers=headers).status_code)
    assert set(statuses) <= {200, 503}
    assert len(statuses) > 3
    assert statuses[-1] == 200
    assert len(strangers) == 3 * CALLERS
    assert refused(strangers) >= A_NETWORK
    [late] = release_together(service.url, [Call("POST", f"{API}/auth/login", body)])
    assert late.body["code"] == "login_cooldown"


class TestWithoutRedis:
    """Each of the two processes counts alone then, up to what the database keeps."""

    @pytest.mark.parametrize(("networks", "most"), [(1, A_NETWORK), (CALLERS, AN_ACCOUNT)])
    def test_each_process_lets_no_more_through(
        self, alone: Service, networks: int, most: int
    ) -> None:
        before = looked_at(alone)
        answers = fail_together(alone, register(alone), networks=networks)
        count = refused(answers)
        assert looked_at(alone) - before == count <= 2 * most
        assert count + turned_away(answers) >= most

    def test_a_stolen_token_lets_no_more_through(self, alone: Service) -> None:
        count = guess_together(alone, signed_in(alone, register(alone)))
        assert A_NETWORK <= count <= 2 * A_NETWORK

    def test_both_together_stop_where_the_account_needs_a_reset(self, alone: Service) -> None:
        """Strangers have 80 failures in a row; 70 of them were before."""
        email = register(alone)
        run_at_once(alone, ALMOST_LOCKED.format(email=email), times=1)
        count = refused(fail_together(alone, email, networks=CALLERS))
        assert failures(alone, email) == (70 + count, 0)
        assert 0 < count <= 10
        count += refused(fail_together(alone, email, networks=CALLERS))
        assert failures(alone, email) == (70 + count, 0)
        assert count <= 10
