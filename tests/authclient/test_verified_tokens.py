"""A token is verified once, and everything that can change is asked each time."""

from collections.abc import Callable
from typing import Any

import jwt
import pytest
import time_machine

from authclient import ExpiredToken, InvalidToken, jws, verified_tokens
from authclient.jwks import PublicKey, parse_jwks
from security.key_material import generate
from tests.authclient.issuing import AUDIENCE, Issuer, jwks


@pytest.fixture
def offline() -> Issuer:
    return Issuer("https://auth.example.com")


@pytest.fixture
def keys(offline: Issuer) -> dict[str, PublicKey]:
    return dict(parse_jwks(offline.document()))


@pytest.fixture
def read(offline: Issuer, keys: dict[str, PublicKey]) -> Callable[..., dict[str, Any]]:
    def read(raw: str, **changes: Any) -> dict[str, Any]:
        options = {"key_for": keys.get, "issuer": offline.url, "audience": AUDIENCE}
        return jws.read(raw, changes.pop("kind", jws.ACCESS), **(options | changes))

    return read


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows by one with each signature that is checked."""
    found: list[object] = []
    decode = jwt.decode

    def counting(*args: Any, **options: Any) -> Any:
        found.append(args)
        return decode(*args, **options)

    monkeypatch.setattr(jwt, "decode", counting)
    return found


def test_a_signature_is_checked_once(offline: Issuer, read: Any, decoded: list[object]) -> None:
    raw = offline.token()
    assert read(raw) == read(raw) == read(raw)
    assert len(decoded) == 1


def test_a_known_token_is_refused_once_its_key_is_gone(
    offline: Issuer, read: Any, keys: dict[str, PublicKey]
) -> None:
    raw = offline.token()
    read(raw)
    keys.clear()
    with pytest.raises(InvalidToken):
        read(raw)


def test_a_known_token_is_refused_when_another_key_has_its_name(
    offline: Issuer, read: Any, keys: dict[str, PublicKey]
) -> None:
    raw = offline.token()
    read(raw)
    kid = offline.keys[0].kid
    keys |= parse_jwks(jwks(generate("ES256").public_jwk | {"kid": kid}))
    with pytest.raises(InvalidToken):
        read(raw)


def test_a_key_that_was_read_again_is_the_same_key(
    offline: Issuer, read: Any, keys: dict[str, PublicKey], decoded: list[object]
) -> None:
    raw = offline.token()
    read(raw)
    keys |= parse_jwks(offline.document())
    read(raw)
    assert len(decoded) == 1


def test_a_known_token_expires(offline: Issuer, read: Any) -> None:
    raw = offline.token()
    ends = read(raw)["exp"]
    with time_machine.travel(ends - 1, tick=False):
        read(raw)
    with time_machine.travel(ends, tick=False), pytest.raises(ExpiredToken):
        read(raw)


def test_a_known_token_is_nothing_to_others(offline: Issuer, read: Any) -> None:
    raw = offline.token()
    read(raw)
    other = jws.Kind("refresh+jwt", "refresh", jws.COMMON_CLAIMS)
    for changes in ({"issuer": "https://b.example"}, {"audience": "billing"}, {"kind": other}):
        with pytest.raises(InvalidToken):
            read(raw, **changes)


def test_what_a_caller_changes_is_not_remembered(offline: Issuer, read: Any) -> None:
    raw = offline.token()
    first = read(raw)
    first["role"] = "admin"
    first["amr"].append("mfa")
    assert (read(raw)["role"], read(raw)["amr"]) == ("user", ["pwd", "otp"])


def test_a_refused_token_is_not_remembered(offline: Issuer, read: Any) -> None:
    forged = offline.token(generate("ES256"), kid=offline.keys[0].kid)
    for _ in range(2):
        with pytest.raises(InvalidToken):
            read(forged)


def test_the_oldest_are_forgotten(
    offline: Issuer, read: Any, decoded: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jws, "_verified", verified_tokens.VerifiedTokens())
    monkeypatch.setattr(verified_tokens, "MOST_REMEMBERED", 2)
    first, *later = [offline.token() for _ in range(3)]
    for raw in (first, *later, *later):
        read(raw)
    assert len(decoded) == 3
    read(first)
    assert len(decoded) == 4
