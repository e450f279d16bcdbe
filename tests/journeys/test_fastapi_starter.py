"""A client of source 004 (`Fastapi-Starter`) plays its document's examples, base URL apart."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def api(embedded_service: Service) -> str:
    return f"{embedded_service.url}/api/v1"


@pytest.fixture
def name(api: str) -> str:
    """The username of a user registered as in "1. Register a New User"."""
    name = f"testuser-{uuid4().hex[:12]}"
    assert register(api, name).status_code == 201
    return name


def register(api: str, name: str) -> httpx.Response:
    return httpx.post(
        f"{api}/auth/register",
        headers=JSON,
        content=f"""{{
    "email": "{name}@example.com",
    "username": "{name}",
    "password": "securepassword123",
    "is_active": true,
    "is_admin": false
  }}""",
    )


def log_in(
    api: str, email: str, password: str = "securepassword123", route: str = "login"
) -> dict[str, Any]:
    """The document's own lines have a stray brace; this is what they mean."""
    answer = httpx.post(
        f"{api}/auth/{route}",
        headers=JSON,
        content=f"""{{
    "email": "{email}",
    "password": "{password}"
  }}""",
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bearer(pair: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}"}


def test_register(api: str) -> None:
    name = f"testuser-{uuid4().hex[:12]}"
    answer = register(api, name)
    assert answer.status_code == 201
    user = answer.json()
    promised = {"id", "email", "username", "is_active", "is_admin", "created_at", "updated_at"}
    assert promised <= set(user)
    assert (user["username"], user["email"]) == (name, f"{name}@example.com")
    assert user["is_active"]
    assert not user["is_admin"]


def test_a_taken_username_or_address_is_409(api: str, name: str) -> None:
    assert register(api, name).status_code == 409


def test_nobody_registers_as_an_admin(api: str) -> None:
    name = f"testuser-{uuid4().hex[:12]}"
    body = {
        "email": f"{name}@example.com",
        "username": name,
        "password": "securepassword123",
        "is_active": True,
        "is_admin": True,
    }
    assert not httpx.post(f"{api}/auth/register", json=body).json()["is_admin"]


def test_login(api: str, name: str) -> None:
    found = log_in(api, f"{name}@example.com")
    assert {"access_token", "refresh_token", "session_id"} <= set(found)
    assert found["token_type"] == "bearer"


def test_the_documents_own_login_lines_are_malformed(api: str) -> None:
    """They hold a stray brace: the client is told so, with a 400."""
    content = """{
    "email": "user@example.com",
  {
    "password": "securepassword123"
  }"""
    answer = httpx.post(f"{api}/auth/login", headers=JSON, content=content)
    assert answer.status_code == 400
    assert answer.json()["code"] == "malformed_request"


def test_login_with_the_oauth2_form(api: str, name: str) -> None:
    data = {"username": f"{name}@example.com", "password": "securepassword123"}
    answer = httpx.post(f"{api}/auth/login-form", data=data)
    assert answer.status_code == 200
    assert answer.json()["token_type"] == "bearer"


def test_protected_endpoint(api: str, name: str) -> None:
    pair = log_in(api, f"{name}@example.com")
    answer = httpx.get(f"{api}/users/me", headers=bearer(pair))
    assert answer.status_code == 200
    assert answer.json()["username"] == name
    assert httpx.get(f"{api}/users/me").status_code == 401


def test_updating_oneself(api: str, name: str) -> None:
    pair = log_in(api, f"{name}@example.com")
    body = {"username": f"{name}-2", "email": f"{name}@example.com"}
    answer = httpx.put(f"{api}/users/me", json=body, headers=bearer(pair))
    assert answer.status_code == 200
    assert answer.json()["username"] == f"{name}-2"


def test_refresh(api: str, name: str) -> None:
    old = log_in(api, f"{name}@example.com")
    answer = httpx.post(
        f"{api}/auth/refresh",
        headers=JSON,
        content=f"""{{
    "refresh_token": "{old["refresh_token"]}"
  }}""",
    )
    assert answer.status_code == 200
    new = answer.json()
    assert new["token_type"] == "bearer"
    assert new["refresh_token"] != old["refresh_token"]
    assert httpx.get(f"{api}/users/me", headers=bearer(new)).status_code == 200


def test_logout(api: str, name: str) -> None:
    pair = log_in(api, f"{name}@example.com")
    answer = httpx.post(
        f"{api}/auth/logout",
        headers=bearer(pair) | JSON,
        content=f"""{{
    "refresh_token": "{pair["refresh_token"]}"
  }}""",
    )
    assert answer.status_code == 200
    assert answer.json()["message"].startswith("Successfully logged out")
    assert httpx.get(f"{api}/users/me", headers=bearer(pair)).status_code == 401
    body = {"refresh_token": pair["refresh_token"]}
    assert httpx.post(f"{api}/auth/refresh", json=body).status_code == 401


def test_changing_the_password(api: str, name: str) -> None:
    pair = log_in(api, f"{name}@example.com")
    body = {"current_password": "securepassword123", "new_password": "anotherpassword456"}
    url = f"{api}/users/me/change-password"
    assert httpx.post(url, json=body, headers=bearer(pair)).status_code == 200
    assert log_in(api, f"{name}@example.com", "anotherpassword456")["username"] == name


def test_the_configured_admin_reads_the_metrics(embedded_service: Service, api: str) -> None:
    admin = log_in(api, ADMIN_EMAIL, ADMIN_PASSWORD)
    assert admin["is_admin"]
    answer = httpx.get(f"{embedded_service.url}/metrics", headers=bearer(admin))
    assert answer.status_code == 200
    assert "auth_requests_total" in answer.text


def test_the_metrics_are_not_for_users(embedded_service: Service, api: str, name: str) -> None:
    url = f"{embedded_service.url}/metrics"
    pair = log_in(api, f"{name}@example.com")
    assert httpx.get(url, headers=bearer(pair)).status_code == 403
    assert httpx.get(url).status_code == 401


def test_general_endpoints(embedded_service: Service) -> None:
    root = httpx.get(f"{embedded_service.url}/").json()
    assert root["version"]
    health = httpx.get(f"{embedded_service.url}/health").json()
    assert health["status"] in ("healthy", "degraded")
    assert {"timestamp", "uptime_seconds", "database"} <= set(health)
    for path in ("/docs", "/openapi.json"):
        assert httpx.get(embedded_service.url + path).status_code == 200


def test_the_admin_reads_and_updates_users(api: str, name: str) -> None:
    """With the trailing slash of the document, which is never answered by a redirect."""
    admin = bearer(log_in(api, ADMIN_EMAIL, ADMIN_PASSWORD))
    listed = httpx.get(f"{api}/users/", headers=admin)
    assert listed.status_code == 200
    user = next(one for one in listed.json()["results"] if one["username"] == name)
    answer = httpx.put(f"{api}/users/{user['id']}", json=user | {"is_admin": True}, headers=admin)
    assert answer.status_code == 200
    assert answer.json()["is_admin"]
    promoted = bearer(log_in(api, f"{name}@example.com"))
    assert httpx.get(f"{api}/users/", headers=promoted).status_code == 200
    body = {"is_admin": False}
    assert httpx.put(f"{api}/users/{user['id']}", json=body, headers=admin).status_code == 200
    assert httpx.get(f"{api}/users/", headers=promoted).status_code == 403


def test_sessions_are_listed_and_ended_from_elsewhere(api: str, name: str) -> None:
    first, second = (log_in(api, f"{name}@example.com") for _ in range(2))
    sessions = httpx.get(f"{api}/sessions/", headers=bearer(first)).json()
    assert len(sessions) == 2
    assert [one["id"] for one in sessions if one["is_current"]] == [first["session_id"]]
    assert {"user_agent", "ip_address", "created_at", "expires_at"} <= set(sessions[0])
    url = f"{api}/sessions/{second['session_id']}"
    assert httpx.delete(url, headers=bearer(first)).status_code == 204
    assert httpx.get(f"{api}/users/me", headers=bearer(second)).status_code == 401
    body = {"refresh_token": second["refresh_token"]}
    assert httpx.post(f"{api}/auth/refresh", json=body).status_code == 401
    assert httpx.delete(url, headers=bearer(first)).status_code == 404
