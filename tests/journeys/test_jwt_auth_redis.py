"""A client of source 002 (`jwt-auth`) plays its document's flow, base URL apart.

Its refresh token travels in the cookie alone: httpx's jar plays the browser.
"""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.service import Service


@pytest.fixture
def http(embedded_service: Service) -> Iterator[httpx.Client]:
    with embedded_service.client() as http:
        yield http


@pytest.fixture
def person(http: httpx.Client) -> dict[str, str]:
    """A registered user: what the client sent."""
    person = {
        "email": f"user-{uuid4().hex}@example.com",
        "password": "securepassword123",
        "first_name": "Ada",
        "last_name": "Lovelace",
    }
    answer = http.post("/auth/register", json=person)
    assert answer.status_code == 201
    assert answer.json()["status"] == "user created"
    return person


def log_in(http: httpx.Client, person: dict[str, str]) -> dict[str, Any]:
    body = {"email": person["email"], "password": person["password"]}
    answer = http.post("/auth/login", json=body)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def call_protected(http: httpx.Client, token: str) -> httpx.Response:
    return http.get("/users/me", headers={"Authorization": f"Bearer {token}"})


def test_registering_twice_is_409(http: httpx.Client, person: dict[str, str]) -> None:
    assert http.post("/auth/register", json=person).status_code == 409


def test_login_answers_with_names_and_sets_the_cookie(
    http: httpx.Client, person: dict[str, str]
) -> None:
    found = log_in(http, person)
    assert found["status"] == "logged in"
    assert (found["first_name"], found["last_name"]) == ("Ada", "Lovelace")
    assert call_protected(http, found["access_token"]).json()["email"] == person["email"]
    assert http.cookies["refresh_token"]


def test_the_cookie_is_http_only_and_strict(http: httpx.Client, person: dict[str, str]) -> None:
    body = {"email": person["email"], "password": person["password"]}
    header = http.post("/auth/login", json=body).headers["Set-Cookie"]
    assert "HttpOnly" in header
    assert "SameSite=Strict" in header
    assert "Path=/api/v1/auth" in header
    assert "Max-Age=1209600" in header


def test_a_wrong_password_is_401(http: httpx.Client, person: dict[str, str]) -> None:
    body = {"email": person["email"], "password": "something else"}
    assert http.post("/auth/login", json=body).status_code == 401
    assert "refresh_token" not in http.cookies


def test_the_refresh_flow_of_the_document(http: httpx.Client, person: dict[str, str]) -> None:
    """Expired access token, 401, POST /auth/refresh without a body, the request again."""
    log_in(http, person)
    spent = http.cookies["refresh_token"]
    assert call_protected(http, "an.expired.token").status_code == 401
    answer = http.post("/auth/refresh")
    assert answer.status_code == 200
    found = answer.json()
    assert found["token_type"] == "bearer"
    assert "refresh_token" not in found
    assert call_protected(http, found["access_token"]).status_code == 200
    assert http.cookies["refresh_token"] != spent


def test_refreshing_again_and_again_with_the_jar(
    http: httpx.Client, person: dict[str, str]
) -> None:
    log_in(http, person)
    for _ in range(5):
        answer = http.post("/auth/refresh")
        assert answer.status_code == 200
    assert call_protected(http, answer.json()["access_token"]).status_code == 200


def test_the_browser_sends_the_cookie_to_the_auth_routes_alone(
    http: httpx.Client, person: dict[str, str]
) -> None:
    log_in(http, person)
    assert "Cookie" in http.build_request("POST", "/auth/refresh").headers
    assert "Cookie" not in http.build_request("GET", "/users/me").headers


def test_a_refresh_without_the_cookie_is_401(http: httpx.Client) -> None:
    answer = http.post("/auth/refresh")
    assert answer.status_code == 401
    assert answer.json()["detail"] == "Refresh token is missing."


def test_logout_by_cookie_ends_the_session_and_clears_the_cookie(
    http: httpx.Client, person: dict[str, str]
) -> None:
    token = log_in(http, person)["access_token"]
    kept = http.cookies["refresh_token"]
    answer = http.post("/auth/logout")
    assert answer.status_code == 200
    assert answer.json()["status"] == "logged out"
    assert "refresh_token" not in http.cookies
    assert call_protected(http, token).status_code == 401
    assert http.post("/auth/refresh", json={"refresh_token": kept}).status_code == 401
    assert http.post("/auth/logout").status_code == 200
