"""A client of source 000 (`examples/auth`) plays its document's examples, base URL apart."""

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service


@pytest.fixture
def http(embedded_service: Service) -> Iterator[httpx.Client]:
    with embedded_service.client() as http:
        yield http


@pytest.fixture
def username(http: httpx.Client) -> str:
    """A user whom the admin added, as the document does."""
    name = f"hazard-{uuid4().hex[:12]}"
    body = {"username": name, "password": "your_password", "role": "user"}
    answer = http.post("/users/add_user", json=body, headers=admin_headers(http))
    assert answer.status_code == 200, answer.text
    return name


def admin_headers(http: httpx.Client) -> dict[str, str]:
    sent = {"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
    answer = http.post("/auth/login", json=sent)
    http.cookies.clear()
    assert answer.status_code == 200
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def log_in(http: httpx.Client, username: str) -> httpx.Response:
    return http.post("/auth/login", json={"username": username, "password": "your_password"})


def test_login_answers_with_what_the_document_promises(http: httpx.Client, username: str) -> None:
    answer = log_in(http, username)
    assert answer.status_code == 200
    found = answer.json()
    assert found["access_token"].count(".") == 2
    assert found["refresh_token"].count(".") == 2
    assert found["role"] == "user"
    assert found["username"] == username
    assert found["user_id"]


def test_a_wrong_password_and_an_unknown_user_are_401(http: httpx.Client, username: str) -> None:
    for body in (
        {"username": username, "password": "not_the_password"},
        {"username": f"no-{username}", "password": "your_password"},
    ):
        answer = http.post("/auth/login", json=body)
        assert answer.status_code == 401
        assert isinstance(answer.json()["detail"], str)


def test_refresh_answers_with_what_the_document_promises(http: httpx.Client, username: str) -> None:
    old = log_in(http, username).json()
    answer = http.post("/auth/refresh", json={"refresh_token": old["refresh_token"]})
    assert answer.status_code == 200
    new = answer.json()
    assert new["message"] == "Token refreshed successfully."
    assert new["access_token"] != old["access_token"]
    assert new["refresh_token"] != old["refresh_token"]
    headers = {"Authorization": f"Bearer {new['access_token']}"}
    assert http.get("/users/me", headers=headers).json()["username"] == username


def test_refresh_ignores_the_authorization_header(http: httpx.Client, username: str) -> None:
    pair = log_in(http, username).json()
    answer = http.post(
        "/auth/refresh",
        json={"refresh_token": pair["refresh_token"]},
        headers={"Authorization": "Bearer an.expired.token"},
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_a_refresh_without_a_usable_token_is_401(http: httpx.Client, token: str) -> None:
    answer = http.post("/auth/refresh", json={"refresh_token": token})
    assert answer.status_code == 401
    assert isinstance(answer.json()["detail"], str)


def test_logout_takes_back_both_tokens(http: httpx.Client, username: str) -> None:
    pair = log_in(http, username).json()
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    body = {"refresh_token": pair["refresh_token"]}
    answer = http.post("/auth/logout", json=body, headers=headers)
    assert answer.status_code == 200
    assert isinstance(answer.json()["message"], str)
    assert http.get("/users/me", headers=headers).status_code == 401
    http.cookies.clear()
    assert http.post("/auth/refresh", json=body).status_code == 401


@pytest.mark.parametrize("header", [None, "nonsense", "Bearer an.expired.token"])
def test_logout_with_an_unusable_access_token_still_revokes_the_refresh_token(
    http: httpx.Client, username: str, header: str | None
) -> None:
    pair = log_in(http, username).json()
    http.cookies.clear()
    headers = {"Authorization": header} if header else {}
    body = {"refresh_token": pair["refresh_token"]}
    assert http.post("/auth/logout", json=body, headers=headers).status_code == 200
    assert http.post("/auth/refresh", json=body).status_code == 401


def test_the_docs_are_where_the_document_says(embedded_service: Service) -> None:
    for path in ("/docs", "/redoc"):
        assert httpx.get(embedded_service.url + path).status_code == 200


@pytest.fixture
def operator(http: httpx.Client) -> dict[str, str]:
    """Headers of the service's admin."""
    return admin_headers(http)


@pytest.mark.parametrize("role", ["admin", "model_manager", "user", "guest"])
def test_add_user_takes_every_role_of_the_document(
    http: httpx.Client, operator: dict[str, str], role: str
) -> None:
    name = f"hazard-{uuid4().hex[:12]}"
    body = {"username": name, "password": "new_password", "role": role}
    answer = http.post("/users/add_user", json=body, headers=operator)
    assert answer.status_code == 200
    assert answer.json()["message"] == "User added successfully."
    sent = {"username": name, "password": "new_password"}
    assert http.post("/auth/login", json=sent).json()["role"] == role
    assert http.post("/users/add_user", json=body, headers=operator).status_code == 409


def test_the_admin_renames_and_sets_a_password(
    http: httpx.Client, username: str, operator: dict[str, str]
) -> None:
    new_name = f"renamed-{uuid4().hex[:12]}"
    body = {"old_username": username, "new_username": new_name}
    answer = http.put("/users/update_username", json=body, headers=operator)
    assert answer.json()["message"] == "Username updated successfully."
    assert log_in(http, username).status_code == 401
    pair = log_in(http, new_name).json()
    body = {"username": new_name, "new_password": "the_new_password"}
    answer = http.put("/users/update_password", json=body, headers=operator)
    assert answer.json()["message"] == "Password updated successfully."
    assert log_in(http, new_name).status_code == 401
    sent = {"username": new_name, "password": "the_new_password"}
    assert http.post("/auth/login", json=sent).status_code == 200
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    assert http.get("/users/me", headers=headers).status_code == 401


def test_the_admin_deactivates_activates_and_deletes(
    http: httpx.Client, username: str, operator: dict[str, str]
) -> None:
    pair = log_in(http, username).json()
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    for is_active, status in ((False, 403), (True, 200)):
        body = {"username": username, "is_active": is_active}
        answer = http.put("/users/set_user_active_status", json=body, headers=operator)
        assert answer.json()["message"] == "User active status updated successfully."
        assert http.get("/users/me", headers=headers).status_code == 401
        assert log_in(http, username).status_code == status
    answer = http.post("/users/delete_user", json={"username": username}, headers=operator)
    assert answer.json()["message"] == "User deleted successfully."
    assert log_in(http, username).status_code == 401
    answer = http.post("/users/delete_user", json={"username": username}, headers=operator)
    assert answer.status_code == 404


def test_the_admins_operations_are_for_admins(http: httpx.Client, username: str) -> None:
    pair = log_in(http, username).json()
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    body = {"username": "x", "password": "new_password", "role": "admin"}
    assert http.post("/users/add_user", json=body, headers=headers).status_code == 403
    body = {"username": username, "new_password": "the_new_password"}
    assert http.put("/users/update_password", json=body, headers=headers).status_code == 403


def test_a_site_its_people_and_its_violations(
    http: httpx.Client, embedded_service: Service, username: str, operator: dict[str, str]
) -> None:
    """The document's models: users belong to many sites, a site has many violations."""
    answer = http.post("/sites", json={"name": f"Site {uuid4()}"}, headers=operator)
    assert answer.status_code == 201
    site = answer.json()
    path = f"/sites/{site['id']}"
    pair = log_in(http, username).json()
    worker = {"Authorization": f"Bearer {pair['access_token']}"}
    assert http.get(path, headers=worker).status_code == 404
    member = f"{path}/members/{pair['user_id']}"
    assert http.put(member, headers=operator).status_code == 204
    assert http.get(path, headers=worker).json() == site
    assert [found["id"] for found in http.get("/sites", headers=worker).json()["results"]] == [
        site["id"]
    ]

    seen = {
        "stream_name": "Gate 2",
        "detected_at": "2026-01-31T12:00:00+08:00",
        "image_url": "https://images.example/gate-2/1.jpg",
        "warnings": {"warning_no_hardhat": {"count": 2}},
        "detections": [[10.5, 20, 30, 40, 0.97, 5]],
        "cone_polygons": [[[0, 0], [0, 10], [10, 10]]],
        "pole_polygons": [],
    }
    assert http.post(f"{path}/violations", json=seen, headers=worker).status_code == 403
    scopes = ["accounts.add_violation", "accounts.view_all_sites"]
    keys = {"name": "camera", "scopes": scopes}
    key = http.post("/api-keys", json=keys, headers=operator).json()["key"]
    camera = {"Authorization": f"Bearer {key}"}
    recorded = http.post(f"{path}/violations", json=seen, headers=camera)
    assert recorded.status_code == 201
    assert recorded.json() | {"detected_at": seen["detected_at"]} == recorded.json() | seen

    listed = http.get(f"{path}/violations/", headers=worker).json()
    assert listed["results"] == [recorded.json()]
    assert (listed["next"], listed["previous"]) == (None, None)
    one = f"{path}/violations/{recorded.json()['id']}"
    resolved = {"resolved_at": "2026-02-01T00:00:00Z"}
    assert http.patch(one, json=resolved, headers=worker).status_code == 403
    answer = http.patch(one, json=resolved, headers=operator)
    assert answer.json()["resolved_at"].startswith("2026-02-01T00:00:00")

    assert http.delete(member, headers=operator).status_code == 204
    assert http.get(one, headers=worker).status_code == 404
    assert http.delete(path, headers=operator).status_code == 204
    assert http.get(one, headers=operator).status_code == 404
