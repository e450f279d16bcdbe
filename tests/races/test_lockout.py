"""However many wrong passwords come at once, no more are looked at than may fail."""

import os
import re
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from tests.client import API, PASSWORD
from tests.races.racing import Answer, Call, release_together
from tests.service import Service

pytestmark = pytest.mark.shared

CALLERS = 200
ROUNDS = 5
A_NETWORK, AN_ACCOUNT = 5, 20
TOKEN = "a-token-for-the-metrics-of-this-test"
NOTHING_LISTENS = "redis://127.0.0.1:1/0"
SETTINGS = {
    "AUTH_LIMITS": "on",
    "AUTH_LIMIT_LOGIN": "100000/m",
    "AUTH_LIMIT_LOGIN_ADDRESS": "100000/m",
    "AUTH_LIMIT_REGISTER": "1000/m",
    "AUTH_METRICS_TOKEN": TOKEN,
    "TRUSTED_PROXIES": "127.0.0.1",
}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    urls = os.environ["TEST_DATABASE_URL"], os.environ["TEST_REDIS_URL"]
    with Service.shared(*urls, **SETTINGS) as running:
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
    assert {a.status for a in answers} == {401, 429}
    assert {a.body["code"] for a in answers if a.status == 429} == {"login_cooldown"}
    return answers


def refused(answers: list[Answer]) -> int:
    return sum(answer.status == 401 for answer in answers)


def saw_redis(service: Service, since: int) -> bool:
    """Whether no process lost sight of it, as on a busy machine one may for a moment."""
    told = service.log.read_text()
    was_there = told.rfind("cache.unavailable", 0, since) <= told.rfind("cache.available", 0, since)
    return was_there and "cache.unavailable" not in told[since:]


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize(("networks", "most"), [(1, A_NETWORK), (CALLERS, AN_ACCOUNT)])
def test_no_more_reach_the_hasher_than_may_fail(
    service: Service, networks: int, most: int, known: bool
) -> None:
    for _ in range(ROUNDS):
        email = register(service) if known else f"{uuid4().hex}@example.com"
        before, since = looked_at(service), len(service.log.read_text())
        count = refused(fail_together(service, email, networks=networks))
        assert looked_at(service) - before == count
        if saw_redis(service, since):
            assert count == most
            return
        assert most <= count <= 3 * most
    raise AssertionError(f"Redis was out of sight in each of {ROUNDS} rounds.")


def test_without_redis_each_process_lets_no_more_through() -> None:
    """Each of the two counts alone then."""
    own = {"CELERY_BROKER_URL": "filesystem://localhost//"}
    url = os.environ["TEST_DATABASE_URL"]
    with Service.shared(url, NOTHING_LISTENS, **SETTINGS, **own) as service:
        for networks, most in ((1, A_NETWORK), (CALLERS, AN_ACCOUNT)):
            count = refused(fail_together(service, register(service), networks=networks))
            assert most <= count <= 2 * most
            assert looked_at(service) >= count
