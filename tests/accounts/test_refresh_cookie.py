"""The refresh token in a cookie: its attributes, the way it goes, and whom we take it from."""

from http.cookies import Morsel
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from sessions_app.models import DeviceSession
from tests.client import PASSWORD, Client, assert_problem

CREDENTIALS = {"username": "alice", "password": PASSWORD}
ALLOWED = "https://app.example.org"
FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "https://testserver.evil.example"},
    {"origin": "http://testserver:81"},
    {"origin": "https://testserver"},
    {"origin": "http://evil.testserver"},
    {"origin": ""},
    {"sec-fetch-site": "cross-site"},
    {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
]
OURS = [
    {},
    {"origin": "http://testserver"},
    {"origin": "http://localhost:8000"},
    {"origin": ALLOWED},
    {"origin": ALLOWED, "sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
]
from_foreign_sites = pytest.mark.parametrize("headers", FOREIGN, ids=str)
from_our_sites = pytest.mark.parametrize("headers", OURS, ids=str)


@pytest.fixture(autouse=True)
def one_allowed_origin(settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ALLOWED]
    settings.PUBLIC_URL = "http://localhost:8000"


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.sign_in("alice")
    client.access_token = None
    return client


def cookie_of(answer: Any) -> Morsel[str]:
    found: Morsel[str] = answer.cookies["refresh_token"]
    return found


def test_the_cookie_is_for_our_auth_routes_alone(client: Client, alice: User) -> None:
    answer = client.post("/auth/login", CREDENTIALS)
    cookie = cookie_of(answer)
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert cookie["path"] == "/api/v1/auth"
    assert cookie["domain"] == ""
    assert abs(int(cookie["max-age"]) - 14 * 24 * 60 * 60) <= 2
    assert int(cookie["max-age"]) == answer.json()["refresh_expires_in"]


def test_a_trailing_slash_does_not_change_the_cookies_path(client: Client, alice: User) -> None:
    assert cookie_of(client.post("/auth/login/", CREDENTIALS))["path"] == "/api/v1/auth"
    assert cookie_of(client.post("/auth/logout/"))["path"] == "/api/v1/auth"


def test_the_cookie_is_secure_on_https(client: Client, alice: User) -> None:
    plain = client.post("/auth/login", CREDENTIALS)
    assert not cookie_of(plain)["secure"]
    secure = client.post("/auth/login", CREDENTIALS, secure=True)
    assert cookie_of(secure)["secure"]


def test_the_cookie_is_secure_always_if_so_configured(
    client: Client, alice: User, settings: Settings
) -> None:
    settings.SECURE_COOKIES = True
    assert cookie_of(client.post("/auth/login", CREDENTIALS))["secure"]


def test_a_refresh_by_cookie_never_puts_the_token_in_the_body(signed_in: Client) -> None:
    spent = signed_in.django.cookies["refresh_token"].value
    answer = signed_in.post("/auth/refresh")
    assert answer.status_code == 200
    assert "refresh_token" not in answer.json()
    successor = cookie_of(answer).value
    assert successor != spent
    assert successor not in answer.content.decode()
    assert answer.json()["message"] == "Token refreshed successfully."
    assert cookie_of(answer)["httponly"]


def test_a_refresh_by_body_never_sets_the_cookie(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    client.django.cookies.clear()
    answer = client.refresh(pair["refresh_token"])
    assert answer.json()["refresh_token"]
    assert "refresh_token" not in answer.cookies


def test_the_token_in_the_body_wins_over_the_cookie(client: Client, alice: User) -> None:
    first, second = client.sign_in("alice"), client.sign_in("alice")
    answer = client.refresh(first["refresh_token"])
    assert answer.json()["session_id"] == first["session_id"]
    assert second["session_id"] != first["session_id"]


@pytest.mark.parametrize("body", [None, {}, {"refresh_token": None}, {"refresh_token": ""}])
def test_an_empty_body_means_the_cookie(signed_in: Client, body: Any) -> None:
    assert signed_in.post("/auth/refresh", body).status_code == 200


def test_with_neither_it_is_401(client: Client) -> None:
    refusal = assert_problem(client.post("/auth/refresh"), 401, "token_invalid")
    assert refusal["detail"] == "Refresh token is missing."


def test_a_bent_cookie_is_401(client: Client) -> None:
    client.django.cookies["refresh_token"] = "nonsense"
    assert_problem(client.post("/auth/refresh"), 401, "token_invalid")


# --- AUTH_REFRESH_TRANSPORT


def test_both_answers_a_sign_in_both_ways(client: Client, alice: User, settings: Settings) -> None:
    settings.AUTH_REFRESH_TRANSPORT = "both"
    answer = client.post("/auth/login", CREDENTIALS)
    assert answer.json()["refresh_token"] == cookie_of(answer).value


def test_body_knows_no_cookie(client: Client, alice: User, settings: Settings) -> None:
    settings.AUTH_REFRESH_TRANSPORT = "body"
    answer = client.post("/auth/login", CREDENTIALS)
    assert "refresh_token" not in answer.cookies
    token = answer.json()["refresh_token"]
    client.django.cookies["refresh_token"] = token
    assert_problem(client.post("/auth/refresh"), 401, "token_invalid")
    assert client.refresh(token).json()["refresh_token"]


def test_cookie_never_puts_the_token_in_a_body(
    client: Client, alice: User, settings: Settings
) -> None:
    settings.AUTH_REFRESH_TRANSPORT = "cookie"
    login = client.post("/auth/login", CREDENTIALS)
    assert "refresh_token" not in login.json()
    refreshed = client.post("/auth/refresh")
    assert refreshed.status_code == 200
    assert "refresh_token" not in refreshed.json()


def test_cookie_takes_no_token_from_a_body(client: Client, alice: User, settings: Settings) -> None:
    settings.AUTH_REFRESH_TRANSPORT = "cookie"
    token = cookie_of(client.post("/auth/login", CREDENTIALS)).value
    client.django.cookies.clear()
    assert_problem(client.refresh(token), 401, "token_invalid")


# --- Another site's page


@from_foreign_sites
@pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout"])
def test_a_cookie_that_another_site_sent_is_403_and_does_nothing(
    signed_in: Client, path: str, headers: dict[str, str]
) -> None:
    before = DeviceSession.objects.get()
    answer = signed_in.post(path, headers=headers)
    assert_problem(answer, 403, "cross_site_request")
    assert "refresh_token" not in answer.cookies
    after = DeviceSession.objects.get()
    assert (after.generation, after.ended_at) == (before.generation, None)


@from_our_sites
@pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout"])
def test_a_cookie_from_us_an_allowed_site_or_no_browser_passes(
    signed_in: Client, path: str, headers: dict[str, str]
) -> None:
    assert signed_in.post(path, headers=headers).status_code == 200


@from_foreign_sites
def test_a_token_in_the_body_may_come_from_anywhere(
    client: Client, alice: User, headers: dict[str, str]
) -> None:
    """No browser adds it by itself, so no page can abuse it."""
    pair = client.sign_in("alice")
    client.django.cookies.clear()
    body = {"refresh_token": pair["refresh_token"]}
    assert client.post("/auth/refresh", body, headers=headers).status_code == 200
    assert client.post("/auth/logout", body, headers=headers).status_code == 200


@from_foreign_sites
def test_a_sign_in_from_another_site_sets_no_cookie(
    client: Client, alice: User, headers: dict[str, str]
) -> None:
    answer = client.post("/auth/login", CREDENTIALS, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["refresh_token"]
    assert "refresh_token" not in answer.cookies


@from_our_sites
def test_a_sign_in_from_us_or_an_allowed_site_sets_it(
    client: Client, alice: User, headers: dict[str, str]
) -> None:
    answer = client.post("/auth/login", CREDENTIALS, headers=headers)
    assert cookie_of(answer).value


def test_only_an_allowed_origin_may_read_the_answers(signed_in: Client) -> None:
    def reads(origin: str) -> str | None:
        answer = signed_in.post("/auth/refresh", headers={"origin": origin})
        found: str | None = answer.headers.get("Access-Control-Allow-Origin")
        return found

    assert reads(ALLOWED) == ALLOWED
    assert reads("https://evil.example") is None
