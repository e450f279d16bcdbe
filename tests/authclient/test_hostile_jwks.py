"""A JWKS that is no JWKS, and keys in one that may not verify."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

from authclient.errors import InvalidToken, KeysUnavailable
from authclient.jwks import parse_jwks
from authclient.jwks_cache import LARGEST_JWKS
from authclient.verifier import Verifier
from security.key_material import KeyPair, describe, generate
from tests.authclient.issuing import AUDIENCE, Issuer, jwks, running_issuer

GOOD = generate("ES256")
RSA = generate("RS256")
NO_JWKS = {
    "empty": b"",
    "no JSON": b"<html>",
    "a list": b"[]",
    "null": b"null",
    "no keys": b"{}",
    "keys of another type": b'{"keys": {"a": 1}}',
    "an empty list": b'{"keys": []}',
    "keys that are no objects": b'{"keys": [1, null, "x", []]}',
    "latin-1": b'{"keys": [], "x": "\xe9"}',
    "utf-16": json.dumps({"keys": [GOOD.public_jwk]}).encode("utf-16"),
    "nested": b'{"keys": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "one kid twice": jwks(GOOD.public_jwk, GOOD.public_jwk),
    "huge": jwks(GOOD.public_jwk, "x" * LARGEST_JWKS),
}


@pytest.mark.parametrize("body", NO_JWKS.values(), ids=NO_JWKS.keys())
def test_what_is_no_jwks_gives_no_keys(issuer: Issuer, body: bytes) -> None:
    verifier = Verifier(issuer.url, AUDIENCE, cache_ttl=0)
    token = issuer.token()
    issuer.body = body
    with pytest.raises(KeysUnavailable):
        verifier.verify(token)


@pytest.mark.parametrize("body", NO_JWKS.values(), ids=NO_JWKS.keys())
def test_what_is_no_jwks_costs_no_keys(issuer: Issuer, body: bytes) -> None:
    verifier = Verifier(issuer.url, AUDIENCE, cache_ttl=0)
    token = issuer.token()
    verifier.verify(token)
    issuer.body = body
    verifier.verify(token)
    assert len(issuer.requests) == 2


def test_a_redirect_to_another_host_is_not_followed(issuer: Issuer) -> None:
    with running_issuer() as other:
        other.keys = issuer.keys
        issuer.status = 302
        for target in (other.jwks_uri, f"//{other.url[7:]}/x", "file:///etc/passwd", "data:,x"):
            issuer.headers = {"Location": target}
            with pytest.raises(KeysUnavailable):
                Verifier(issuer.url, AUDIENCE).verify(issuer.token())
        assert other.requests == []


def test_a_redirect_in_a_circle_ends(issuer: Issuer) -> None:
    issuer.status, issuer.headers = 302, {"Location": "/.well-known/jwks.json"}
    with pytest.raises(KeysUnavailable):
        Verifier(issuer.url, AUDIENCE).verify(issuer.token())
    assert len(issuer.requests) < 20


def test_a_body_shorter_than_announced_is_not_used(issuer: Issuer) -> None:
    issuer.headers = {"Content-Length": "100000"}
    with pytest.raises(KeysUnavailable):
        Verifier(issuer.url, AUDIENCE).verify(issuer.token())


def private_jwk(pair: KeyPair) -> dict[str, Any]:
    key = jwt.get_algorithm_by_name(pair.algorithm).prepare_key(pair.pem)
    jwk = jwt.get_algorithm_by_name(pair.algorithm).to_jwk(key, as_dict=True)
    jwk.pop("key_ops", None)
    assert "d" in jwk
    return jwk | pair.public_jwk


def odd_jwk(key: Any, algorithm: str) -> dict[str, Any]:
    jwk = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    return jwk | {"kid": "odd", "use": "sig", "alg": algorithm}


SHORT_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
P384 = odd_jwk(ec.generate_private_key(ec.SECP384R1()), "ES384")
NO_KEYS: dict[str, dict[str, Any]] = {
    "a secret": {"kty": "oct", "k": "AAAA", "alg": "HS256", "use": "sig", "kid": "odd"},
    "no algorithm": {"kty": "RSA", "alg": "none", "use": "sig", "kid": "odd"},
    "alg none": RSA.public_jwk | {"alg": "none"},
    "alg HS256": RSA.public_jwk | {"alg": "HS256"},
    "alg PS256": RSA.public_jwk | {"alg": "PS256"},
    "alg absent": {k: v for k, v in RSA.public_jwk.items() if k != "alg"},
    "alg a list": RSA.public_jwk | {"alg": ["RS256"]},
    "kty a list": RSA.public_jwk | {"kty": ["RSA"]},
    "crv an object": GOOD.public_jwk | {"crv": {}},
    "use enc": RSA.public_jwk | {"use": "enc"},
    "use absent": {k: v for k, v in RSA.public_jwk.items() if k != "use"},
    "key_ops sign": RSA.public_jwk | {"key_ops": ["sign", "verify"]},
    "private RSA": private_jwk(RSA),
    "private EC": private_jwk(GOOD),
    "private Ed25519": private_jwk(generate("EdDSA")),
    "a short RSA key": odd_jwk(SHORT_RSA, "RS256"),
    "P-384": P384,
    "P-384 as ES256": P384 | {"alg": "ES256"},
    "Ed448": odd_jwk(ed448.Ed448PrivateKey.generate(), "EdDSA"),
    "off the curve": GOOD.public_jwk | {"y": GOOD.public_jwk["x"]},
    "no modulus": {k: v for k, v in RSA.public_jwk.items() if k != "n"},
    "modulus a number": RSA.public_jwk | {"n": 5},
    "kid absent": {k: v for k, v in RSA.public_jwk.items() if k != "kid"},
    "kid a number": RSA.public_jwk | {"kid": 5},
    "kid too long": RSA.public_jwk | {"kid": "x" * 65},
}


@pytest.mark.parametrize("jwk", NO_KEYS.values(), ids=NO_KEYS.keys())
def test_a_key_that_may_not_verify_is_left_out(jwk: dict[str, Any]) -> None:
    other = generate("EdDSA")
    assert set(parse_jwks(jwks(jwk, other.public_jwk))) == {other.kid}
    with pytest.raises(ValueError, match="no usable key"):
        parse_jwks(jwks(jwk))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_every_kind_of_ours_is_used(algorithm: str) -> None:
    pair = generate(algorithm)
    assert parse_jwks(jwks(pair.public_jwk))[pair.kid].algorithm == algorithm


def test_a_shared_secret_in_the_jwks_signs_nothing(issuer: Issuer) -> None:
    secret = {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "use": "sig", "kid": "shared"}
    issuer.body = jwks(secret, *(pair.public_jwk for pair in issuer.keys))
    headers = {"kid": "shared", "typ": "at+jwt"}
    long_secret = "secret".ljust(32, "\0")
    forged = jwt.encode(issuer.claims(), long_secret, "HS256", headers)
    verifier = Verifier(issuer.url, AUDIENCE)
    verifier.verify(issuer.token())
    with pytest.raises(InvalidToken):
        verifier.verify(forged)


def test_a_weak_key_verifies_nothing(issuer: Issuer) -> None:
    strong = describe(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    issuer.keys = [strong]
    assert Verifier(issuer.url, AUDIENCE).verify(issuer.token(strong))
    issuer.body = jwks(odd_jwk(SHORT_RSA, "RS256"), strong.public_jwk)
    forged = issuer.token(strong, kid="odd")
    with pytest.raises(InvalidToken):
        Verifier(issuer.url, AUDIENCE).verify(forged)
