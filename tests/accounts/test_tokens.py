"""What the two kinds of token say, and which of them work when."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.apps import apps
from django.conf import settings
from django.core import checks
from django.test import modify_settings
from jwt.exceptions import PyJWTError
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.state import token_backend
from rest_framework_simplejwt.tokens import AccessToken as StockAccessToken
from rest_framework_simplejwt.tokens import RefreshToken as StockRefreshToken
from rest_framework_simplejwt.tokens import SlidingToken

from accounts.models import Role, User
from accounts.tokens import AccessToken, RefreshToken
from security.models import SigningKey
from sessions_app.models import DeviceSession
from tests.accounts.forging import Forge
from tests.client import PASSWORD, Client, assert_problem

DAY = 24 * 60 * 60


def read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    forge = Forge(token)
    return forge.header, forge.claims


def expired(token: str) -> str:
    """The same token a day later."""
    forge = Forge(token)
    times = {name: forge.claims[name] - DAY for name in ("iat", "exp")}
    return forge.with_claims(**times)


# --- What they say


def test_an_access_token_has_these_claims_and_no_others(client: Client, alice: User) -> None:
    began = int(time.time())
    pair = client.sign_in("alice")
    header, claims = read(pair["access_token"])
    kid = SigningKey.objects.get(state="current").kid
    assert header == {"alg": "RS256", "kid": kid, "typ": "at+jwt"}
    iat = claims.pop("iat")
    assert began <= iat <= time.time()
    assert claims.pop("exp") == iat + 15 * 60
    assert began <= claims.pop("auth_time") <= iat
    assert len(claims.pop("jti")) == 32
    assert claims == {
        "iss": settings.AUTH_ISSUER,
        "aud": "api",
        "sub": str(alice.pk),
        "sid": pair["session_id"],
        "client_id": "first-party",
        "role": "user",
        "tier": "free",
        "scope": " ".join(sorted(alice.role.codes)),
        "token_type": "access",
        "amr": ["pwd"],
    }


def test_a_refresh_token_has_these_claims_and_no_others(client: Client, alice: User) -> None:
    began = int(time.time())
    pair = client.sign_in("alice")
    header, claims = read(pair["refresh_token"])
    kid = SigningKey.objects.get(state="current").kid
    assert header == {"alg": "RS256", "kid": kid, "typ": "refresh+jwt"}
    iat = claims.pop("iat")
    assert began <= iat <= time.time()
    assert claims.pop("exp") == iat + 14 * DAY
    session = DeviceSession.objects.get()
    assert claims == {
        "iss": settings.AUTH_ISSUER,
        "aud": settings.AUTH_ISSUER,
        "sub": str(alice.pk),
        "sid": str(session.pk),
        "jti": session.refresh_jti,
        "gen": 1,
        "token_type": "refresh",
    }


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_a_token_tells_nothing_personal(client: Client, alice: User, kind: str) -> None:
    claims = str(read(client.sign_in("alice")[f"{kind}_token"])[1]).lower()
    for word in ("alice", "liddell", "example.com"):
        assert word not in claims


def test_the_scope_names_the_permissions_of_the_role(
    client: Client, make_user: Callable[..., User]
) -> None:
    manager = make_user("mandy", role="moderator")
    scope = read(client.sign_in("mandy")["access_token"])[1]["scope"]
    assert scope.split(" ") == sorted(manager.role.codes)
    assert scope


def test_a_refreshed_access_token_says_what_the_user_is_now(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    before = read(pair["access_token"])[1]
    User.objects.filter(pk=alice.pk).update(tier="premium", role=Role.objects.get(pk="moderator"))
    after = read(client.refresh(pair["refresh_token"]).json()["access_token"])[1]
    assert (after["tier"], after["role"]) == ("premium", "moderator")
    assert after["scope"] != before["scope"]
    assert after["jti"] != before["jti"]
    assert (after["sid"], after["auth_time"]) == (before["sid"], before["auth_time"])


def test_no_token_outlives_its_session(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    session = DeviceSession.objects.get()
    session.expires_at = session.created_at + timedelta(minutes=5)
    session.save()
    answer = client.refresh(pair["refresh_token"]).json()
    for token in (answer["access_token"], answer["refresh_token"]):
        assert read(token)[1]["exp"] == int(session.expires_at.timestamp())
    assert answer["expires_in"] <= 300
    assert answer["refresh_expires_in"] <= 300


# --- Which of them work


def test_an_expired_access_token_of_a_live_session(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    client.access_token = expired(pair["access_token"])
    refused = client.get("/users/me")
    assert_problem(refused, 401, "token_expired")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert client.refresh(pair["refresh_token"]).status_code == 200


@pytest.mark.parametrize("late", [False, True], ids=["fresh", "expired"])
def test_an_access_token_of_an_ended_session(client: Client, alice: User, late: bool) -> None:
    pair = client.sign_in("alice")
    client.post("/auth/logout", {"refresh_token": pair["refresh_token"]})
    client.access_token = expired(pair["access_token"]) if late else pair["access_token"]
    assert_problem(client.get("/users/me"), 401, "session_ended")
    assert_problem(client.refresh(pair["refresh_token"]), 401, "session_ended")


def test_an_expired_access_token_still_signs_out(client: Client, alice: User) -> None:
    client.access_token = expired(client.sign_in("alice")["access_token"])
    client.django.cookies.clear()
    assert client.post("/auth/logout").status_code == 200
    assert DeviceSession.objects.get().ended_at is not None


def test_the_tokens_of_a_deleted_user(client: Client, alice: User) -> None:
    """Also for whoever registers the same address afterwards (S2-26)."""
    pair = client.sign_in("alice")
    alice.delete()
    body = {"email": "alice@example.com", "username": "alice", "password": PASSWORD}
    assert client.post("/auth/register", body, headers={"authorization": ""}).status_code == 201
    assert_problem(client.get("/users/me"), 401, "session_ended")
    assert_problem(client.refresh(pair["refresh_token"]), 401, "session_ended")
    assert client.sign_in("alice")["user_id"] != pair["user_id"]


def test_the_tokens_of_a_deactivated_user(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    assert client.get("/users/me").status_code == 200
    assert client.delete("/users/me", {"password": PASSWORD}).status_code == 204
    assert_problem(client.get("/users/me"), 401, "session_ended")
    assert_problem(client.refresh(pair["refresh_token"]), 401, "session_ended")


def test_a_row_deactivated_without_its_sessions_is_enough(client: Client, alice: User) -> None:
    """By hand in the database, say: a refresh asks for the user, not only for the session."""
    pair = client.sign_in("alice")
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert_problem(client.get("/users/me"), 401, "session_ended")
    assert_problem(client.refresh(pair["refresh_token"]), 401, "session_ended")


def test_neither_kind_works_as_the_other(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    assert_problem(client.refresh(pair["access_token"]), 401, "token_invalid")
    client.access_token = pair["refresh_token"]
    assert_problem(client.get("/users/me"), 401, "token_invalid")
    client.access_token = pair["access_token"]
    assert client.get("/users/me").status_code == 200
    assert client.refresh(pair["refresh_token"]).status_code == 200


def test_a_remembered_user_is_the_same_user(client: Client, alice: User) -> None:
    """The first request asks the database, the second the cache."""
    client.sign_in("alice")
    first = client.get("/users/me").json()
    assert first["id"] == str(alice.pk)
    assert client.get("/users/me").json() == first


# --- Who may sign


@pytest.mark.parametrize("stock", [StockAccessToken, StockRefreshToken, SlidingToken])
def test_simplejwts_own_tokens_can_not_be_signed(stock: Any) -> None:
    with pytest.raises((PyJWTError, TokenBackendError)):
        str(stock())


def test_simplejwts_own_refresh_token_can_not_be_made_for_a_user(alice: User) -> None:
    with pytest.raises((PyJWTError, TokenBackendError)):
        StockRefreshToken.for_user(alice)


@pytest.mark.parametrize("own", [AccessToken, RefreshToken])
def test_our_tokens_come_from_sessions_only(own: Any, alice: User) -> None:
    with pytest.raises(TypeError):
        own.for_user(alice)


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_simplejwts_own_tokens_verify_nothing(client: Client, alice: User, kind: str) -> None:
    pair = client.sign_in("alice")
    for stock in (StockAccessToken, StockRefreshToken):
        with pytest.raises((PyJWTError, TokenError)):
            stock(pair[f"{kind}_token"])


def test_nothing_signs_with_the_secret_key(client: Client, alice: User) -> None:
    assert api_settings.SIGNING_KEY == ""
    assert not token_backend.signing_key
    assert not token_backend.algorithm.startswith("HS")
    pair = client.sign_in("alice")
    for token in (pair["access_token"], pair["refresh_token"]):
        text, _, signature = token.rpartition(".")
        secret = settings.SECRET_KEY.encode()
        for digest in (hashlib.sha256, hashlib.sha384, hashlib.sha512):
            mac = hmac.new(secret, text.encode(), digest).digest()
            assert base64.urlsafe_b64encode(mac).rstrip(b"=").decode() != signature
        with pytest.raises(jwt.InvalidTokenError):
            jwt.decode(token, settings.SECRET_KEY, algorithms=["HS256"], audience="api")


# --- A wrong installation is found at start


def problems() -> set[str]:
    return {str(found.id) for found in checks.run_checks(tags=["auth_settings"])}


def test_a_right_installation_has_neither_problem() -> None:
    assert not {"auth.E020", "auth.E021"} & problems()


def test_a_missing_blacklist_is_an_error() -> None:
    without = {"remove": ["rest_framework_simplejwt.token_blacklist"]}
    with modify_settings(INSTALLED_APPS=without):
        assert not apps.is_installed("rest_framework_simplejwt.token_blacklist")
        assert "auth.E020" in problems()


@pytest.mark.parametrize(
    ("name", "value"),
    [("SIGNING_KEY", "x" * 64), ("ALGORITHM", "HS256"), ("ALGORITHM", "HS512")],
)
def test_a_key_of_simplejwts_own_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setattr(api_settings, name, value)
    assert "auth.E021" in problems()
