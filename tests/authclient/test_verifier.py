"""What a verifier says of a good token, and what of one that is not for it."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from typing import Any

import pytest

import authclient
from authclient import (
    CheckUnavailable,
    Claims,
    ExpiredToken,
    InvalidToken,
    KeysUnavailable,
    LiveCheck,
    Unavailable,
    Verifier,
)
from security.key_material import generate
from tests.authclient.issuing import AUDIENCE, Issuer
from tests.service import ROOT


@pytest.fixture
def verifier(issuer: Issuer) -> Verifier:
    return Verifier(issuer.url, AUDIENCE)


def test_the_claims_have_types(verifier: Verifier, issuer: Issuer) -> None:
    raw = issuer.claims()
    claims = verifier.verify(issuer.token(**raw))
    assert (str(claims.user_id), str(claims.session_id)) == (raw["sub"], raw["sid"])
    assert (claims.role, claims.tier, claims.token_id) == ("user", "free", raw["jti"])
    assert claims.scopes == {"accounts.view_user", "accounts.change_user"}
    assert claims.authenticated_at == datetime.fromtimestamp(raw["auth_time"], UTC)
    assert claims.expires_at == datetime.fromtimestamp(raw["exp"], UTC)
    assert claims.amr == ("pwd", "otp")
    assert dict(claims.raw) == raw


def test_the_claims_can_not_be_changed(verifier: Verifier, issuer: Issuer) -> None:
    claims: Any = verifier.verify(issuer.token())
    with pytest.raises(FrozenInstanceError):
        claims.role = "admin"
    with pytest.raises(TypeError):
        claims.raw["role"] = "admin"


def test_roles_and_permissions(verifier: Verifier, issuer: Issuer) -> None:
    claims = verifier.verify(issuer.token())
    assert claims.has_role("user")
    assert claims.has_role("admin", "user")
    assert not claims.has_role("admin")
    assert not claims.has_role()
    assert claims.has_permission("accounts.view_user")
    for code in ("accounts.view", "view_user", "", " ", "accounts.view_user accounts.change_user"):
        assert not claims.has_permission(code)
    assert verifier.verify(issuer.token(scope="")).scopes == frozenset()


@pytest.mark.parametrize("name", ["role", "tier", "scope", "client_id", "jti"])
@pytest.mark.parametrize("value", [None, 5, True, [], ["admin"], {"a": 1}], ids=repr)
def test_a_text_is_a_text(verifier: Verifier, issuer: Issuer, name: str, value: Any) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(issuer.token(**{name: value}))


@pytest.mark.parametrize("value", [None, "pwd", 5, {"pwd": 1}, [5], ["pwd", None]], ids=repr)
def test_the_methods_are_texts(verifier: Verifier, issuer: Issuer, value: Any) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(issuer.token(amr=value))


@pytest.mark.parametrize("value", [2**53, 253_402_300_800, -1, 1.5, "5", True], ids=repr)
@pytest.mark.parametrize("name", ["exp", "auth_time"])
def test_a_time_has_a_date(verifier: Verifier, issuer: Issuer, name: str, value: Any) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(issuer.token(**{name: value}))


def test_an_expired_token_is_told_apart(verifier: Verifier, issuer: Issuer) -> None:
    with pytest.raises(ExpiredToken):
        verifier.verify(issuer.token(exp=int(time.time())))
    with pytest.raises(InvalidToken) as refused:
        verifier.verify(issuer.token(generate("ES256"), kid=issuer.keys[0].kid, exp=1))
    assert not isinstance(refused.value, ExpiredToken)


@pytest.mark.parametrize("token", [None, 5, b"x", ["x"], {}, "", "a.b.c", "\0", "é.é.é"], ids=repr)
def test_what_is_no_token_is_invalid(verifier: Verifier, issuer: Issuer, token: Any) -> None:
    with pytest.raises(InvalidToken):
        verifier.verify(token)
    assert issuer.requests == []


def test_a_token_for_somebody_else_is_invalid(issuer: Issuer) -> None:
    for other in (
        Verifier(f"{issuer.url}/", AUDIENCE),
        Verifier("https://auth.example.com", AUDIENCE, jwks_uri=issuer.jwks_uri),
        Verifier(issuer.url, "billing"),
    ):
        with pytest.raises(InvalidToken):
            other.verify(issuer.token())


@pytest.mark.parametrize("value", ["", None, ["api"], 5], ids=repr)
def test_a_verifier_has_one_issuer_and_one_audience(issuer: Issuer, value: Any) -> None:
    for arguments in ((issuer.url, value), (value, AUDIENCE)):
        with pytest.raises(ValueError, match="one issuer and one audience"):
            Verifier(*arguments)


def test_the_cache_time_can_be_chosen(issuer: Issuer) -> None:
    verifier = Verifier(issuer.url, AUDIENCE, cache_ttl=0)
    for _ in range(3):
        verifier.verify(issuer.token())
    assert len(issuer.requests) == 3


def test_no_keys_is_not_an_invalid_token(verifier: Verifier, issuer: Issuer) -> None:
    issuer.status = 503
    with pytest.raises(KeysUnavailable) as refused:
        verifier.verify(issuer.token())
    assert isinstance(refused.value, Unavailable)
    assert not isinstance(refused.value, InvalidToken)


# --- A check of one's own


def checking(issuer: Issuer, check: Callable[[str, Claims], Any]) -> Verifier:
    return Verifier(issuer.url, AUDIENCE, live_check=check)


def test_any_callable_can_check(issuer: Issuer) -> None:
    seen: list[tuple[str, Claims]] = []

    def check(token: str, claims: Claims) -> bool:
        seen.append((token, claims))
        return True

    token = issuer.token()
    claims = checking(issuer, check).verify(token)
    assert seen == [(token, claims)]


@pytest.mark.parametrize("answer", [False, None, 0, 1, "yes", [True]], ids=repr)
def test_only_true_is_live(issuer: Issuer, answer: Any) -> None:
    with pytest.raises(InvalidToken):
        checking(issuer, lambda token, claims: answer).verify(issuer.token())


def test_a_bad_token_is_not_asked_about(issuer: Issuer) -> None:
    check = LiveCheck(issuer.url)
    verifier = checking(issuer, check)
    verifier_requests = ["/.well-known/jwks.json"]
    for bad in (issuer.token(exp=1), issuer.token(aud="x"), f"{issuer.token()}A"):
        with pytest.raises(InvalidToken):
            verifier.verify(bad)
    assert [path for path, _ in issuer.requests] == verifier_requests


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>"),
        (200, b"{}"),
        (200, b"[]"),
        (200, b"null"),
        (200, b'{"id": null}'),
        (200, b'{"id": "somebody else", "role": "user", "tier": "free"}'),
        (200, b"[" * 60_000),
        (200, b" " * 70_000),
        (204, b""),
        (302, b""),
        (404, b"{}"),
        (429, b"{}"),
        (500, b"{}"),
        (503, b"{}"),
    ],
)
def test_no_clear_answer_never_passes(issuer: Issuer, status: int, body: bytes) -> None:
    verifier = checking(issuer, LiveCheck(issuer.url))
    token = issuer.token()
    claims = Verifier(issuer.url, AUDIENCE, jwks_uri=issuer.jwks_uri).verify(token)
    issuer.status, issuer.body = status, body
    with pytest.raises(CheckUnavailable):
        LiveCheck(issuer.url)(token, claims)
    with pytest.raises(Unavailable):
        verifier.verify(token)


def user(claims: dict[str, Any], **changes: Any) -> bytes:
    shown = {"id": claims["sub"], "role": claims["role"], "tier": claims["tier"]} | changes
    return str(shown).replace("'", '"').encode()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_not_live(issuer: Issuer, status: int) -> None:
    claims = Claims.of(issuer.claims())
    issuer.status, issuer.body = status, b"{}"
    assert LiveCheck(issuer.url)("a-token", claims) is False


def test_a_former_role_or_tier_is_not_live(issuer: Issuer) -> None:
    raw = issuer.claims()
    for changes, live in (({}, True), ({"role": "admin"}, False), ({"tier": "paid"}, False)):
        issuer.body = user(raw, **changes)
        assert LiveCheck(issuer.url)("a-token", Claims.of(raw)) is live


def test_the_service_may_keep_its_routes_elsewhere(issuer: Issuer) -> None:
    raw = issuer.claims()
    issuer.body = user(raw)
    assert LiveCheck(issuer.url, path="/id/users/me")("one", Claims.of(raw))
    assert issuer.requests == [("/id/users/me", "Bearer one")]


def test_an_answer_is_remembered_for_its_time_and_its_token(issuer: Issuer) -> None:
    raw = issuer.claims()
    issuer.body = user(raw)
    check = LiveCheck(f"{issuer.url}/", cache_ttl=0.5)
    for _ in range(3):
        assert check("one", Claims.of(raw))
    assert issuer.requests == [("/api/v1/users/me", "Bearer one")]
    assert check("two", Claims.of(raw))
    assert len(issuer.requests) == 2
    time.sleep(0.6)
    issuer.status = 401
    assert not check("one", Claims.of(raw))


def test_the_oldest_answer_makes_room(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("authclient.live_check.MOST_REMEMBERED", 2)
    raw = issuer.claims()
    issuer.body = user(raw)
    check = LiveCheck(issuer.url, cache_ttl=60)
    for token in ("one", "two", "three", "three", "two", "one"):
        assert check(token, Claims.of(raw))
    asked = [authorization for _, authorization in issuer.requests]
    assert asked == ["Bearer one", "Bearer two", "Bearer three", "Bearer one"]


def test_a_failure_is_not_remembered(issuer: Issuer) -> None:
    raw = issuer.claims()
    issuer.body, issuer.status = user(raw), 503
    check = LiveCheck(issuer.url, cache_ttl=60)
    with pytest.raises(CheckUnavailable):
        check("one", Claims.of(raw))
    issuer.status = 200
    assert check("one", Claims.of(raw))


# --- The shortcut


@pytest.fixture
def shortcut(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setattr("authclient.default._configured", None)
    for name in ("AUTH_ISSUER", "AUTH_AUDIENCE"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_the_shortcut_takes_the_environment(shortcut: Any, issuer: Issuer) -> None:
    shortcut.setenv("AUTH_ISSUER", issuer.url)
    shortcut.setenv("AUTH_AUDIENCE", AUDIENCE)
    raw = issuer.claims()
    assert authclient.decode_access_token(issuer.token(**raw)) == raw["sub"]
    assert authclient.decode_access_token(issuer.token(**raw)) == raw["sub"]
    assert len(issuer.requests) == 1
    with pytest.raises(InvalidToken):
        authclient.decode_access_token(issuer.token(aud="x"))


def test_the_shortcut_can_be_configured(shortcut: Any, issuer: Issuer) -> None:
    authclient.configure(issuer.url, AUDIENCE)
    raw = issuer.claims()
    assert authclient.decode_access_token(issuer.token(**raw)) == raw["sub"]


def test_the_shortcut_says_what_it_lacks(shortcut: Any, issuer: Issuer) -> None:
    with pytest.raises(RuntimeError, match="AUTH_ISSUER"):
        authclient.decode_access_token(issuer.token())
    shortcut.setenv("AUTH_ISSUER", issuer.url)
    with pytest.raises(RuntimeError, match="AUTH_AUDIENCE"):
        authclient.decode_access_token(issuer.token())


def test_the_core_loads_no_framework() -> None:
    program = (
        "import sys, authclient\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(*loaded & {'django', 'rest_framework', 'fastapi', 'starlette', 'security'})"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout == "\n"
