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
ROUNDS = 15
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
        return self.get("/users/me")

    def get(self, path: str) -> httpx.Response:
        return self.call("GET", path, self.victim["access_token"])

    def operate(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The same by an admin."""
        admin = {"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        token = self.call("POST", "/auth/login", data=admin).json()["access_token"]
        return self.call(method, path, token, **options)

    def make(self, **changes: Any) -> None:
        """An admin changes the victim."""
        path = f"/users/{self.victim['user_id']}"
        assert self.operate("PATCH", path, json=changes).is_success


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
    path = f"/users/{person.victim['user_id']}/sessions"
    assert person.operate("DELETE", path).is_success


def password_set(person: Person) -> None:
    body = {"username": person.victim["email"], "new_password": "another science 1844"}
    assert person.operate("PUT", "/users/update_password", json=body).is_success


def deactivation_by_operator(person: Person) -> None:
    path = f"/users/{person.victim['user_id']}"
    assert person.operate("PATCH", path, json={"is_active": False}).is_success


def deletion(person: Person) -> None:
    assert person.operate("DELETE", f"/users/{person.victim['user_id']}").is_success


def command(person: Person) -> None:
    person.service.manage("revoke_sessions", "--user", person.victim["email"])


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
    # A process that takes a busy machine's cache for a slow one reads the keys each second.
    time.sleep(1)


# Each so many times. What a command does takes seconds.
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
    password_set: ROUNDS,
    deactivation_by_operator: ROUNDS,
    deletion: ROUNDS,
    command: 1,
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


def statuses(person: Person, path: str) -> set[int]:
    return {person.get(path).status_code for _ in range(6)}


def test_another_role_counts_in_every_process(shared_service: Service) -> None:
    with shared_service.client() as http:
        person = Person(shared_service, http)
        assert statuses(person, "/users") == {403}
        for role, status in (("moderator", 200), ("user", 403)) * 5:
            person.make(role=role)
            assert statuses(person, "/users") == {status}


def test_an_edited_role_counts_in_every_process(shared_service: Service) -> None:
    with shared_service.client() as http:
        person = Person(shared_service, http)
        role = f"r{uuid4().hex[:12]}"
        body = {"name": role, "permissions": ["accounts.view_user"]}
        assert person.operate("POST", "/roles", json=body).status_code == 201
        person.make(role=role)
        assert statuses(person, "/users") == {200}
        for permissions, status in (([], 403), (["accounts.view_user"], 200)) * 5:
            body = {"permissions": permissions}
            assert person.operate("PATCH", f"/roles/{role}", json=body).is_success
            assert statuses(person, "/users") == {status}


def test_another_tier_counts_in_every_process(shared_service: Service) -> None:
    with shared_service.client() as http:
        person = Person(shared_service, http)
        for tier in ("premium", "free") * 5:
            person.make(tier=tier)
            assert {person.me().json()["tier"] for _ in range(6)} == {tier}


def test_a_revoked_key_is_refused_in_every_process(shared_service: Service) -> None:
    with shared_service.client() as http:
        person = Person(shared_service, http)
        for _ in range(ROUNDS):
            token = person.victim["access_token"]
            made = person.call("POST", "/api-keys", token, json={"name": "x"}).json()
            assert uses(person, made["key"]) == {200}
            assert person.call("DELETE", f"/api-keys/{made['id']}", token).status_code == 204
            assert uses(person, made["key"]) == {401}


def uses(person: Person, key: str) -> set[int]:
    return {person.call("GET", "/users/me", key).status_code for _ in range(6)}
