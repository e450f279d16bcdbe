"""However many requests race for one refresh token, there is one live successor."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from prometheus_client.mmap_dict import MmapedDict

from tests.client import API, PASSWORD
from tests.races.racing import Answer, Call, release_together
from tests.races.stock_simplejwt import server as stock_simplejwt
from tests.service import Service

pytestmark = pytest.mark.shared

CALLERS = 50
ROUNDS = 50


@dataclass(frozen=True)
class Target:
    """Where a refresh token is exchanged, and what its field is called."""

    url: str
    path: str
    field: str


def refresh(target: Target, token: str) -> httpx.Response:
    return httpx.post(f"{target.url}{target.path}", json={target.field: token}, timeout=30)


def race(target: Target, token: str) -> tuple[set[str], list[Answer]]:
    """CALLERS refreshes of one token at once: the distinct successors, and every answer."""
    call = Call("POST", target.path, {target.field: token})
    answers = release_together(target.url, [call] * CALLERS)
    return {a.body[target.field] for a in answers if a.status == 200}, answers


def sign_up(service: Service) -> dict[str, str]:
    """A new user's address and password, as the login wants them."""
    user = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
    with service.client() as client:
        assert client.post("/auth/register", json=user).status_code == 201
    return user


def sign_in(service: Service, user: dict[str, str]) -> dict[str, Any]:
    with service.client() as client:
        answer = client.post("/auth/login", json=user)
    assert answer.status_code == 200, answer.text
    pair: dict[str, Any] = answer.json()
    return pair


def generation(service: Service, session_id: str) -> int:
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        found = connection.execute(
            "SELECT generation FROM sessions_app_devicesession WHERE id = %s", [session_id]
        ).fetchone()
    assert found is not None
    return int(found[0])


def refreshes_by_process(service: Service) -> list[float]:
    """How many refreshes each web process has answered."""
    counts = []
    for file in (service.data / "metrics").glob("counter_*.db"):
        values = MmapedDict.read_all_values_from_file(str(file))
        counts.append(sum(value for key, value, *_ in values if "auth_refreshes_total" in key))
    return counts


def assert_nothing_lives(service: Service, pairs: list[dict[str, Any]]) -> None:
    """Every token of these pairs is refused, by whichever process one asks."""
    calls = [
        call
        for pair in pairs
        for call in (
            Call("GET", f"{API}/users/me", access_token=pair["access_token"]),
            Call("POST", f"{API}/auth/refresh", {"refresh_token": pair["refresh_token"]}),
        )
    ]
    for answer in release_together(service.url, calls * 4):
        assert (answer.status, answer.body.get("code")) == (401, "session_ended"), answer


@pytest.fixture(scope="module")
def stock() -> Iterator[Target]:
    with stock_simplejwt.running(os.environ["TEST_DATABASE_URL"]) as url:
        yield Target(url, "/token/refresh", "refresh")


def test_one_token_has_one_successor(shared_service: Service) -> None:
    target = Target(shared_service.url, f"{API}/auth/refresh", "refresh_token")
    user = sign_up(shared_service)
    pair = sign_in(shared_service, user)
    for _ in range(ROUNDS):
        before = generation(shared_service, pair["session_id"])

        successors, answers = race(target, pair["refresh_token"])

        assert {a.status for a in answers} <= {200, 401}
        assert len(successors) == 1
        assert generation(shared_service, pair["session_id"]) == before + 1
        pair = refresh(target, successors.pop()).json()
        bearer = {"Authorization": f"Bearer {pair['access_token']}"}
        me = httpx.get(f"{shared_service.url}{API}/users/me", headers=bearer, timeout=30)
        assert me.json()["email"] == user["email"]
    served = refreshes_by_process(shared_service)
    assert len(served) == 2
    assert min(served) > sum(served) / 10


def test_the_same_race_splits_a_session_of_stock_simplejwt(stock: Target) -> None:
    """The control: this race bites where a token can be spent twice."""
    credentials = {"username": stock_simplejwt.USERNAME, "password": stock_simplejwt.PASSWORD}
    live = []
    for _ in range(3):
        pair = httpx.post(f"{stock.url}/token", json=credentials, timeout=30).json()
        successors, _ = race(stock, pair["refresh"])
        live.append(sum(refresh(stock, token).status_code == 200 for token in successors))
    assert max(live) > 1


def test_reuse_after_the_grace_ends_the_session_in_both_processes() -> None:
    server, _, number = os.environ["TEST_REDIS_URL"].rpartition("/")
    urls = os.environ["TEST_DATABASE_URL"], f"{server}/{int(number) - 1}"
    with Service.shared(*urls, AUTH_REFRESH_GRACE="1") as service:
        target = Target(service.url, f"{API}/auth/refresh", "refresh_token")
        first = sign_in(service, sign_up(service))
        newest = refresh(target, first["refresh_token"]).json()
        me = Call("GET", f"{API}/users/me", access_token=newest["access_token"])
        assert {a.status for a in release_together(service.url, [me] * 20)} == {200}
        time.sleep(1.2)

        reuse = refresh(target, first["refresh_token"])

        assert (reuse.status_code, reuse.json()["code"]) == (401, "session_ended")
        assert_nothing_lives(service, [first, newest] * 2)


@pytest.mark.parametrize("ending", ["logout", "password change", "deactivation"])
def test_a_refresh_never_outlives_the_end_of_its_session(
    shared_service: Service, ending: str
) -> None:
    user = sign_up(shared_service)
    for round_ in range(ROUNDS):
        if ending == "deactivation":
            user = sign_up(shared_service)
        pair = sign_in(shared_service, user)
        other = sign_in(shared_service, user) if ending == "password change" else pair
        body = {"refresh_token": pair["refresh_token"]}
        new_password = f"umbrella {round_} volcano trumpet"
        passwords = {"current_password": user["password"], "new_password": new_password}
        end = {
            "logout": Call("POST", f"{API}/auth/logout", body),
            "password change": Call(
                "POST", f"{API}/users/me/password", passwords, other["access_token"]
            ),
            "deactivation": Call(
                "DELETE", f"{API}/users/me", {"password": PASSWORD}, pair["access_token"]
            ),
        }[ending]
        me = Call("GET", f"{API}/users/me", access_token=pair["access_token"])
        refreshing = Call("POST", f"{API}/auth/refresh", body)

        ended, *others = release_together(shared_service.url, [end, *[refreshing] * 4, *[me] * 8])

        assert ended.status in (200, 204), ended
        assert {a.status for a in others} <= {200, 401}
        successors = [a.body for a in others if a.call is refreshing and a.status == 200]
        assert_nothing_lives(shared_service, [pair, *successors])
        if ending == "password change":
            user["password"] = new_password
