"""Signing out ends the session that any of the tokens names, and always succeeds."""

import pytest
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from accounts.models import User
from security.models import AuditEvent
from sessions_app.models import DeviceSession
from tests.client import Client, assert_problem


def log_out(client: Client, **body: object) -> None:
    answer = client.post("/auth/logout", body)
    assert answer.status_code == 200
    assert answer.json() == {"message": "Successfully logged out.", "status": "logged out"}


def without_cookie(client: Client) -> None:
    client.django.cookies.clear()


def assert_over(pair: dict[str, str]) -> None:
    """Neither token of the pair is good for anything."""
    other = Client(pair["access_token"])
    assert_problem(other.get("/users/me"), 401, "session_ended")
    assert_problem(other.refresh(pair["refresh_token"]), 401, "session_ended")


def test_the_refresh_token_ends_its_session(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    client.access_token = None
    without_cookie(client)
    log_out(client, refresh_token=pair["refresh_token"])
    assert_over(pair)


def test_the_bearer_alone_ends_its_session(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    without_cookie(client)
    log_out(client)
    assert_over(pair)


def test_the_cookie_alone_ends_its_session(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    client.access_token = None
    answer = client.post("/auth/logout")
    assert answer.status_code == 200
    assert_over(pair)


def test_each_named_session_ends_and_no_other(client: Client, alice: User) -> None:
    pairs = [client.sign_in("alice") for _ in range(4)]
    other = pairs.pop()
    without_cookie(client)
    client.django.cookies["refresh_token"] = pairs[0]["refresh_token"]
    client.access_token = pairs[1]["access_token"]
    log_out(client, refresh_token=pairs[2]["refresh_token"])
    for pair in pairs:
        assert_over(pair)
    assert Client(other["access_token"]).get("/users/me").status_code == 200


def test_a_spent_refresh_token_still_ends_the_session(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    newest = client.refresh(pair["refresh_token"]).json()
    without_cookie(client)
    client.access_token = None
    log_out(client, refresh_token=pair["refresh_token"])
    assert_over(newest)


def test_signing_out_clears_the_cookie(client: Client, alice: User) -> None:
    client.sign_in("alice")
    cookie = client.post("/auth/logout").cookies["refresh_token"]
    assert cookie.value == ""
    assert cookie["max-age"] == 0
    assert cookie["path"] == "/api/v1/auth"


@pytest.mark.parametrize("token", ["", None, "nonsense", "a.b.c", 5, "\x00"])
def test_a_token_that_is_not_ours_is_no_error(client: Client, token: object) -> None:
    client.access_token = "e30.e30.e30"
    log_out(client, refresh_token=token)


@pytest.mark.parametrize("header", ["", "Bearer", "Basic abc", "Bearer a b", "nonsense"])
def test_an_odd_authorization_is_no_error(client: Client, alice: User, header: str) -> None:
    pair = client.sign_in("alice")
    without_cookie(client)
    client.access_token = None
    body = {"refresh_token": pair["refresh_token"]}
    answer = client.post("/auth/logout", body, headers={"authorization": header})
    assert answer.status_code == 200
    assert_over(pair)


def test_without_any_token_nothing_happens(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    nobody = Client()
    assert nobody.post("/auth/logout").json()["status"] == "logged out"
    assert Client(pair["access_token"]).get("/users/me").status_code == 200


def test_twice_is_once(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    for _ in range(2):
        log_out(client, refresh_token=pair["refresh_token"])
    assert AuditEvent.objects.filter(kind="session.ended").count() == 1
    session = DeviceSession.objects.get()
    assert session.end_reason == "logout"
    assert session.ended_at is not None


def test_the_blacklist_tells_the_truth_and_holds_no_text(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    log_out(client, refresh_token=pair["refresh_token"])
    row = BlacklistedToken.objects.select_related("token").get().token
    assert row.jti == DeviceSession.objects.get().refresh_jti
    assert row.token == f"session:{pair['session_id']}"


def test_a_foreign_refresh_token_ends_nothing_of_others(
    client: Client, alice: User, bob: User
) -> None:
    of_alice = client.sign_in("alice")
    without_cookie(client)
    of_bob = client.sign_in("bob")
    without_cookie(client)
    client.access_token = None
    log_out(client, refresh_token=of_bob["refresh_token"], user_id=of_alice["user_id"])
    assert Client(of_alice["access_token"]).get("/users/me").status_code == 200
    assert_over(of_bob)
