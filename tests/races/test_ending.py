"""Taking access back never fails because its target leaves at the same moment."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.races.racing import Call, release_together
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service

pytestmark = pytest.mark.shared
PASSWORD = "poetical science 1843"
ROUNDS = 8
API = "/api/v1"
LEAVING = {
    "logout": ("POST", "/auth/logout"),
    "logout_all": ("POST", "/auth/logout-all"),
    "remote_logout": ("DELETE", "/sessions/{session_id}"),
    "refresh": ("POST", "/auth/refresh"),
    "key": ("POST", "/api-keys"),
}
TAKING: dict[str, tuple[str, Any]] = {
    "deactivation": ("PATCH", {"is_active": False}),
    "deletion": ("DELETE", None),
}


@pytest.mark.parametrize("taking", TAKING)
@pytest.mark.parametrize("leaving", LEAVING)
def test_who_leaves_while_access_is_taken_back_is_no_obstacle(
    leaving: str, taking: str, shared_service: Service
) -> None:
    with shared_service.client() as client:
        admin = log_in(client, ADMIN_EMAIL, ADMIN_PASSWORD)["access_token"]
        for _ in range(ROUNDS):
            email = f"{uuid4().hex}@example.com"
            client.post("/auth/register", json={"email": email, "password": PASSWORD})
            pairs = [log_in(client, email, PASSWORD) for _ in range(3)]
            method, path = LEAVING[leaving]
            body = {"refresh_token": pairs[0]["refresh_token"], "name": "x"}
            goes = Call(method, f"{API}{path.format(**pairs[1])}", body, pairs[0]["access_token"])
            verb, change = TAKING[taking]
            takes = Call(verb, f"{API}/users/{pairs[0]['user_id']}", change, admin)
            left, taken = release_together(shared_service.url, [goes, takes])
            assert taken.status in {200, 204}, taken.body
            assert left.status in {200, 201, 204, 401, 404}, left.body
            for pair in pairs:
                headers = {"Authorization": f"Bearer {pair['access_token']}"}
                assert client.get("/users/me", headers=headers).status_code == 401


def log_in(client: httpx.Client, email: str, password: str) -> dict[str, Any]:
    answer = client.post("/auth/login", json={"email": email, "password": password})
    client.cookies.clear()
    pair: dict[str, Any] = answer.json()
    return pair
