"""However many take power from each other at once, an active admin is left."""

from itertools import permutations
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.races.racing import Call, release_together
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service

pytestmark = pytest.mark.shared
PASSWORD = "poetical science 1843"
ROUNDS = 5
API = "/api/v1"


def token_of(client: httpx.Client, username: str, password: str) -> str:
    body = {"username": username, "password": password}
    return str(client.post("/auth/login", json=body).json()["access_token"])


def new_admins(client: httpx.Client, token: str, count: int) -> list[dict[str, Any]]:
    """Fresh admins, each with a token of their own."""
    made = []
    for _ in range(count):
        body = {"username": f"a{uuid4().hex[:12]}", "password": PASSWORD, "role": "admin"}
        headers = {"Authorization": f"Bearer {token}"}
        user = client.post("/users", json=body, headers=headers).json()
        made.append(user | {"token": token_of(client, user["username"], PASSWORD)})
    return made


DEEDS = {
    "demote": ("PATCH", {"role": "user"}),
    "deactivate": ("PATCH", {"is_active": False}),
    "delete": ("DELETE", None),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_admins_who_remove_each_other_at_once_leave_one(deed: str, shared_service: Service) -> None:
    method, body = DEEDS[deed]
    with shared_service.client() as client:
        root = token_of(client, ADMIN_EMAIL, ADMIN_PASSWORD)
        root_id = client.get("/users/me", headers=_bearer(root)).json()["id"]
        for _ in range(ROUNDS):
            admins = new_admins(client, root, 3)
            # The first admin leaves the stage, so that the three are all there are.
            stand_down(client, admins[0]["token"], root_id)
            calls = [
                Call(method, f"{API}/users/{other['id']}", body, one["token"])
                for one, other in permutations(admins, 2)
            ]
            answers = release_together(shared_service.url, calls)
            assert {answer.status for answer in answers} <= {200, 204, 401, 403, 404, 409}
            left = [one for one in admins if is_admin(client, one["token"])]
            assert left, [(answer.status, answer.body) for answer in answers]
            # Whoever is left lets the first admin back in, and goes.
            headers = _bearer(left[0]["token"])
            path = f"/users/{root_id}"
            assert client.patch(path, json={"role": "admin"}, headers=headers).is_success
            for one in left:
                path = f"/users/{one['id']}"
                assert client.delete(path, headers=_bearer(root)).status_code == 204


def stand_down(client: httpx.Client, token: str, root_id: str) -> None:
    answer = client.patch(f"/users/{root_id}", json={"role": "user"}, headers=_bearer(token))
    assert answer.is_success, answer.text


def is_admin(client: httpx.Client, token: str) -> bool:
    answer = client.get("/users/me", headers=_bearer(token))
    return answer.status_code == 200 and answer.json()["is_admin"]


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
