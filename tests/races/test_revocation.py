"""Whatever takes access back does so in every process before a second is over."""

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service

pytestmark = pytest.mark.shared
PASSWORD = "poetical science 1843"
ROUNDS = 50
Pair = dict[str, Any]


class Person:
    """A user with two sessions; `victim` is the one whose access is taken back."""

    def __init__(self, service: Service, http: httpx.Client) -> None:
        self.service = service
        self.http = http
        self.user = {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}
        self.call("POST", "/auth/register", json=self.user)
        self.victim: Pair = self.call("POST", "/auth/login", json=self.user).json()
        self.other: Pair = self.call("POST", "/auth/login", json=self.user).json()

    def call(self, method: str, path: str, token: str = "", **options: Any) -> httpx.Response:
        """One request on a connection of its own, so that either process may get it."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers["Connection"] = "close"
        return self.http.request(method, path, headers=headers, **options)

    def me(self) -> httpx.Response:
        return self.call("GET", "/users/me", self.victim["access_token"])


def logout(person: Person) -> None:
    body = {"refresh_token": person.victim["refresh_token"]}
    assert person.call("POST", "/auth/logout", json=body).is_success


def logout_by_bearer(person: Person) -> None:
    assert person.call("POST", "/auth/logout", person.victim["access_token"]).is_success


def logout_everywhere(person: Person) -> None:
    assert person.call("POST", "/auth/logout-all", person.other["access_token"]).is_success


def remote_logout(person: Person) -> None:
    path = f"/sessions/{person.victim['session_id']}"
    assert person.call("DELETE", path, person.other["access_token"]).is_success


def logout_of_others(person: Person) -> None:
    assert person.call("DELETE", "/sessions", person.other["access_token"]).is_success


def revocation(person: Person) -> None:
    form = {"token": person.victim["refresh_token"]}
    assert person.call("POST", "/auth/revoke", data=form).is_success


def password_change(person: Person) -> None:
    body = {"current_password": PASSWORD, "new_password": "another science 1844"}
    answer = person.call("POST", "/users/me/password", person.other["access_token"], json=body)
    assert answer.is_success


def deactivation(person: Person) -> None:
    body = {"password": PASSWORD}
    assert person.call("DELETE", "/users/me", person.other["access_token"], json=body).is_success


def operators_hand(person: Person) -> None:
    admin = {"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
    token = person.call("POST", "/auth/login", data=admin).json()["access_token"]
    path = f"/users/{person.victim['user_id']}/sessions"
    assert person.call("DELETE", path, token).is_success


def theft(person: Person) -> None:
    """The first token again, after two refreshes."""
    spent = newest = person.victim["refresh_token"]
    for _ in range(2):
        body = {"refresh_token": newest}
        newest = person.call("POST", "/auth/refresh", json=body).json()["refresh_token"]
    assert person.call("POST", "/auth/refresh", json={"refresh_token": spent}).status_code == 401


def stolen_key(person: Person) -> None:
    """An operator revokes the key that signed the token, by a command in a process of its own."""
    keys = json.loads(person.service.manage("list_keys", "--json"))
    current = next(key["kid"] for key in keys if key["state"] == "current")
    person.service.manage("rotate_keys", "--revoke", current)


# Each so many times. A key is revoked by a command, which takes seconds and is for everybody.
CAUSES = {
    logout: ROUNDS,
    logout_by_bearer: ROUNDS,
    logout_everywhere: ROUNDS,
    remote_logout: ROUNDS,
    logout_of_others: ROUNDS,
    revocation: ROUNDS,
    password_change: ROUNDS,
    deactivation: ROUNDS,
    operators_hand: ROUNDS,
    theft: ROUNDS,
    stolen_key: 1,
}


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__)
def test_the_token_is_refused_in_every_process(
    cause: Callable[[Person], None], shared_service: Service
) -> None:
    with shared_service.client() as http:
        people = []
        for _ in range(CAUSES[cause]):
            person = Person(shared_service, http)
            # Both processes have seen the token and hold it for valid.
            assert {person.me().status_code for _ in range(8)} == {200}
            cause(person)
            answers = {person.me().status_code for _ in range(4)}
            assert answers == {401}, "it took longer than the call itself"
            people.append(person)
        time.sleep(1)
        for person in people:
            assert {person.me().status_code for _ in range(4)} == {401}
