"""Signing keys: their kinds, their states, and what the commands do with them."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import TestCase
from django.test.utils import override_settings

from accounts.models import User
from security.key_material import describe, generate, thumbprint
from security.key_rotation import ensure_first_keys, retire_expired, revoke, rotate
from security.keyring import keyring
from security.management.operator_command import operator_name
from security.models import AuditEvent, SigningKey
from security.sealing import SealBroken, seal, unseal
from tests.client import PASSWORD, Client, assert_problem

SEALED_WITH = list(settings.KEY_ENCRYPTION_KEYS)
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
JWKS = "//.well-known/jwks.json"


@pytest.fixture
def no_keys(db: None) -> Iterator[None]:
    """An installation that was never started."""
    SigningKey.objects.all().delete()
    keyring.forget()
    yield
    keyring.forget()


def key(state: str) -> SigningKey:
    return SigningKey.objects.get(state=state)


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def published(client: Client) -> dict[str, dict[str, Any]]:
    return {jwk["kid"]: jwk for jwk in client.get(JWKS).json()["keys"]}


def age_keys(**age: float) -> None:
    """As if every key had been made and activated this long ago."""
    for row in SigningKey.objects.all():
        row.created_at -= timedelta(**age)
        row.activated_at = row.activated_at and row.activated_at - timedelta(**age)
        row.verifies_until = row.verifies_until and row.verifies_until - timedelta(**age)
        row.save()


def age_snapshot(*, seconds: float) -> None:
    """As if this process had last read the keys this long ago."""
    found = keyring._snapshot
    assert found is not None
    object.__setattr__(found, "read_at", found.read_at - seconds)


def printed(*command: str) -> str:
    output = StringIO()
    call_command(*command, stdout=output)
    return output.getvalue()


def write_pem(path: Path, private_key: Any) -> str:
    path.write_bytes(
        private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(path)


def write_public_pem(path: Path, private_key: Any) -> str:
    path.write_bytes(
        private_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return str(path)


# --- Kinds of keys


def test_the_default_key_is_rsa_with_3072_bits(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    jwk = published(client)[kid_of(pair["access_token"])]
    assert (jwk["kty"], jwk["alg"]) == ("RSA", "RS256")
    modulus = urlsafe_b64decode(jwk["n"] + "==")
    assert int.from_bytes(modulus).bit_length() == 3072


@pytest.mark.parametrize(
    ("algorithm", "curve"), [("ES256", "P-256"), ("EdDSA", "Ed25519"), ("RS256", None)]
)
def test_tokens_of_every_algorithm_work(
    no_keys: None, client: Client, alice: User, algorithm: str, curve: str | None
) -> None:
    with override_settings(AUTH_SIGNING_ALGORITHM=algorithm):
        printed("ensure_keys")
    pair = client.sign_in("alice")
    assert jwt.get_unverified_header(pair["access_token"])["alg"] == algorithm
    assert client.get("/users/me").status_code == 200
    assert client.refresh(pair["refresh_token"]).status_code == 200
    jwk = published(client)[kid_of(pair["access_token"])]
    assert (jwk["alg"], jwk.get("crv")) == (algorithm, curve)


def test_the_kid_is_the_rfc_7638_thumbprint() -> None:
    """The example of RFC 7638 section 3.1, and the one of RFC 8037 appendix A.3."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP"
        "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY"
        "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f"
        "M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    rsa_jwk = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(rsa_jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    okp_jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(okp_jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_every_published_kid_is_its_keys_thumbprint(client: Client) -> None:
    for kid, jwk in published(client).items():
        assert thumbprint(jwk) == kid


# --- The JWKS


def test_the_jwks_has_public_members_only(client: Client) -> None:
    keys = published(client)
    assert set(keys) == {key("current").kid, key("next").kid}
    for jwk in keys.values():
        assert not PRIVATE_MEMBERS & set(jwk)
        assert set(jwk) == {"kty", "n", "e", "kid", "use", "alg"}
        assert (jwk["use"], jwk["alg"]) == ("sig", "RS256")


def test_the_jwks_may_be_cached_and_is_compared_by_its_etag(client: Client) -> None:
    answer = client.get(JWKS)
    assert answer.headers["Content-Type"] == "application/jwk-set+json"
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    etag = answer.headers["ETag"]
    again = client.get(JWKS, headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == etag
    assert client.get(JWKS, headers={"if-none-match": '"another"'}).status_code == 200


def test_a_rotation_changes_the_etag(client: Client) -> None:
    before = client.get(JWKS).headers["ETag"]
    rotate()
    assert client.get(JWKS, headers={"if-none-match": before}).status_code == 200


# --- Rotation


def test_the_next_key_is_published_before_it_signs(client: Client, alice: User) -> None:
    upcoming = key("next").kid
    assert upcoming in published(client)
    assert kid_of(client.sign_in("alice")["access_token"]) != upcoming
    rotate()
    assert kid_of(client.sign_in("alice")["access_token"]) == upcoming


def test_a_rotation_costs_no_user_anything(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    old = key("current").kid
    assert rotate() == key("current").kid != old
    assert key("retiring").kid == old
    assert old in published(client)
    assert client.get("/users/me").status_code == 200
    assert client.refresh(pair["refresh_token"]).status_code == 200


@pytest.mark.django_db
def test_a_key_that_verifiers_may_not_know_yet_does_not_sign() -> None:
    assert rotate() is not None
    keys = set(SigningKey.objects.values_list("kid", "state"))

    assert rotate() is None

    assert set(SigningKey.objects.values_list("kid", "state")) == keys
    age_keys(seconds=settings.AUTH_JWKS_MAX_AGE.total_seconds() - 5)
    assert rotate() is None
    age_keys(seconds=6)
    assert rotate() is not None


@pytest.mark.django_db
def test_a_lost_next_key_is_replaced_and_signs_only_later() -> None:
    SigningKey.objects.filter(state="next").delete()
    current = key("current").kid
    assert rotate() is None
    assert key("current").kid == current
    assert key("next").sealed_private_key
    assert rotate() is None
    assert key("current").kid == current


def test_a_retired_key_loses_its_private_half_and_its_tokens(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    old = key("current").kid
    rotate()
    assert retire_expired() == 0
    assert key("retiring").sealed_private_key
    life = key("retiring").verifies_until - key("current").activated_at
    assert life >= settings.AUTH_REFRESH_IDLE_TTL

    SigningKey.objects.filter(kid=old).update(verifies_until=key("current").activated_at)
    assert retire_expired() == 1

    assert (key("retired").kid, key("retired").sealed_private_key) == (old, "")
    assert old not in published(client)
    assert_problem(client.get("/users/me"), 401, "token_invalid")
    assert_problem(client.refresh(pair["refresh_token"]), 401, "token_invalid")
    client.sign_in("alice")
    assert client.get("/users/me").status_code == 200


def test_a_rotation_by_another_process_is_noticed(client: Client, alice: User) -> None:
    """Rows are changed behind this process's back, which is all that it shares with another."""
    pair = client.sign_in("alice")
    assert client.get("/users/me").status_code == 200
    old, upcoming = key("current").kid, key("next").kid
    SigningKey.objects.filter(kid=old).update(state="retiring", verifies_until="2099-01-01T00:00Z")
    SigningKey.objects.filter(kid=upcoming).update(state="current")
    age_snapshot(seconds=1.1)

    assert kid_of(client.refresh(pair["refresh_token"]).json()["access_token"]) == upcoming
    assert client.get("/users/me").status_code == 200


def test_a_key_made_by_another_process_verifies_at_once(client: Client, alice: User) -> None:
    client.sign_in("alice")
    assert client.get("/users/me").status_code == 200
    known = keyring._snapshot
    rotate()
    client.sign_in("alice")
    keyring._snapshot = known
    assert client.get("/users/me").status_code == 200


# --- Revocation


def test_a_revoked_key_is_refused_at_once_and_replaced(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    assert client.get("/users/me").status_code == 200
    stolen, upcoming = key("current").kid, key("next").kid

    revoke(stolen)

    assert_problem(client.get("/users/me"), 401, "token_invalid")
    assert_problem(client.refresh(pair["refresh_token"]), 401, "token_invalid")
    assert set(published(client)) == {key("current").kid, key("next").kid}
    assert key("current").kid == upcoming
    assert key("retired").sealed_private_key == ""
    client.sign_in("alice")
    assert client.get("/users/me").status_code == 200


def test_another_process_refuses_a_revoked_key_at_once(client: Client, alice: User) -> None:
    """It still has the keys it read a moment ago, but the shared cache tells of a new epoch."""
    client.sign_in("alice")
    assert client.get("/users/me").status_code == 200
    known = keyring._snapshot
    with TestCase.captureOnCommitCallbacks(execute=True):
        revoke(key("current").kid)
    keyring._snapshot = known
    assert_problem(client.get("/users/me"), 401, "token_invalid")


def test_keys_that_another_thread_read_before_a_revocation_let_nobody_in(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It began to read before the key was revoked, and is done while this request waits for it."""
    client.sign_in("alice")
    assert client.get("/users/me").status_code == 200
    read_before = keyring._snapshot
    assert read_before is not None
    with TestCase.captureOnCommitCallbacks(execute=True):
        revoke(key("current").kid)

    class OtherThread:
        def __enter__(self) -> None:
            keyring._snapshot = replace(read_before)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(keyring, "_lock", OtherThread())
    assert_problem(client.get("/users/me"), 401, "token_invalid")


@pytest.mark.django_db
def test_revoking_the_only_key_makes_another() -> None:
    SigningKey.objects.filter(state="next").delete()
    stolen = key("current").kid
    revoke(stolen)
    assert key("current").kid != stolen
    assert key("retired").kid == stolen


@pytest.mark.django_db
def test_a_revoked_next_key_never_signs() -> None:
    current, stolen = key("current").kid, key("next").kid
    revoke(stolen)
    assert key("current").kid == current
    assert key("next").kid != stolen
    assert rotate() is None


@pytest.mark.django_db
def test_a_revocation_is_on_the_trail() -> None:
    kid = key("current").kid
    printed("rotate_keys", "--revoke", kid)
    event = AuditEvent.objects.get(kind="key.revoked")
    assert event.details == {"operator": operator_name(), "kid": kid}


# --- A key of one's own


@pytest.fixture
def own_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_an_own_key_signs_first(
    no_keys: None, client: Client, alice: User, tmp_path: Path, own_key: rsa.RSAPrivateKey
) -> None:
    private = write_pem(tmp_path / "private.pem", own_key)
    public = write_public_pem(tmp_path / "public.pem", own_key)
    with override_settings(PRIVATE_KEY_PATH=private, PUBLIC_KEY_PATH=public):
        assert "Made the first signing keys." in printed("ensure_keys")
    pair = client.sign_in("alice")
    assert kid_of(pair["access_token"]) == describe(own_key).kid
    claims = jwt.decode(
        pair["access_token"], own_key.public_key(), algorithms=["RS256"], audience="api"
    )
    assert claims["sub"] == str(alice.pk)
    assert key("next").kid != describe(own_key).kid


def test_an_own_key_is_imported_only_into_an_empty_table(
    tmp_path: Path, own_key: rsa.RSAPrivateKey, db: None
) -> None:
    kids = set(SigningKey.objects.values_list("kid", flat=True))
    with override_settings(PRIVATE_KEY_PATH=write_pem(tmp_path / "private.pem", own_key)):
        printed("ensure_keys")
    assert set(SigningKey.objects.values_list("kid", flat=True)) == kids


UNFIT_KEYS = {
    "RSA of 1024 bits": lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "DSA": lambda: dsa.generate_private_key(2048),
}


@pytest.mark.parametrize("kind", UNFIT_KEYS)
def test_an_unfit_key_is_refused(no_keys: None, tmp_path: Path, kind: str) -> None:
    assert_refused(PRIVATE_KEY_PATH=write_pem(tmp_path / "private.pem", UNFIT_KEYS[kind]()))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a key",
        b"\xff\xfe\x00",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY",
    ],
    ids=["empty", "text", "bytes", "cut off"],
)
def test_a_file_without_a_key_is_refused(no_keys: None, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "private.pem"
    path.write_bytes(content)
    message = assert_refused(PRIVATE_KEY_PATH=str(path))
    assert "PUBLIC_KEY_PATH" not in message


def test_a_key_behind_a_passphrase_is_refused(
    no_keys: None, tmp_path: Path, own_key: rsa.RSAPrivateKey
) -> None:
    path = tmp_path / "private.pem"
    path.write_bytes(
        own_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    assert_refused(PRIVATE_KEY_PATH=str(path))


def test_a_missing_file_is_named(no_keys: None, tmp_path: Path) -> None:
    path = str(tmp_path / "absent.pem")
    assert path in assert_refused(PRIVATE_KEY_PATH=path)


@pytest.mark.parametrize("other", [ed25519.Ed25519PrivateKey.generate, UNFIT_KEYS["P-384"]])
def test_a_foreign_public_key_is_refused(
    no_keys: None, tmp_path: Path, own_key: rsa.RSAPrivateKey, other: Any
) -> None:
    private = write_pem(tmp_path / "private.pem", own_key)
    public = write_public_pem(tmp_path / "public.pem", other())
    message = assert_refused(PRIVATE_KEY_PATH=private, PUBLIC_KEY_PATH=public)
    assert "PUBLIC_KEY_PATH" in message


def test_the_public_half_of_another_key_is_refused(
    no_keys: None, tmp_path: Path, own_key: rsa.RSAPrivateKey
) -> None:
    another = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = write_pem(tmp_path / "private.pem", own_key)
    public = write_public_pem(tmp_path / "public.pem", another)
    message = assert_refused(PRIVATE_KEY_PATH=private, PUBLIC_KEY_PATH=public)
    assert "PUBLIC_KEY_PATH is not the public half of PRIVATE_KEY_PATH" in message


def assert_refused(**paths: str) -> str:
    """ensure_keys says what is wrong and makes no key in its place."""
    with (
        override_settings(**paths),
        pytest.raises(CommandError, match="PRIVATE_KEY_PATH can't be used") as refused,
    ):
        printed("ensure_keys")
    assert not SigningKey.objects.exists()
    return str(refused.value).removeprefix("PRIVATE_KEY_PATH can't be used: ")


# --- Sealing


@pytest.fixture
def another_sealing_key() -> Iterator[None]:
    with override_settings(KEY_ENCRYPTION_KEYS=[Fernet.generate_key().decode()]):
        yield


def test_a_wrong_sealing_key_stops_signing_but_not_verifying(
    client: Client, alice: User, another_sealing_key: None
) -> None:
    with override_settings(KEY_ENCRYPTION_KEYS=SEALED_WITH):
        pair = client.sign_in("alice")
    keyring._signing = None  # as after a restart

    body = {"username": "alice", "password": "correct horse battery"}
    refused = client.post("/auth/login", body)
    assert_problem(refused, 503, "signing_unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    assert_problem(client.refresh(pair["refresh_token"]), 503, "signing_unavailable")
    assert client.get("/users/me").status_code == 200
    assert client.get(JWKS).status_code == 200


@pytest.mark.django_db
def test_a_wrong_sealing_key_makes_no_new_key(another_sealing_key: None) -> None:
    before = list(SigningKey.objects.values())
    with pytest.raises(CommandError, match="can't be opened with KEY_ENCRYPTION_KEYS"):
        printed("ensure_keys")
    assert list(SigningKey.objects.values()) == before


@pytest.mark.django_db
def test_a_second_sealing_key_opens_what_the_first_sealed() -> None:
    with override_settings(KEY_ENCRYPTION_KEYS=[Fernet.generate_key().decode(), *SEALED_WITH]):
        printed("ensure_keys")
        assert "PRIVATE KEY" in unseal(key("current").sealed_private_key)


def test_equal_texts_are_sealed_differently() -> None:
    assert seal("secret") != seal("secret")
    assert unseal(seal("secret")) == "secret"
    assert "secret" not in seal("secret")


def test_an_altered_seal_is_refused() -> None:
    sealed = urlsafe_b64decode(seal("secret"))
    for place in range(len(sealed)):
        altered = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(SealBroken):
            unseal(urlsafe_b64encode(altered).decode())


@pytest.mark.django_db
def test_no_private_key_lies_open_in_the_database() -> None:
    for row in SigningKey.objects.all():
        assert "PRIVATE" not in row.sealed_private_key
        assert not PRIVATE_MEMBERS & set(row.public_jwk)
        assert "PRIVATE KEY" in unseal(row.sealed_private_key)


# --- Commands


@pytest.mark.django_db
def test_list_keys_shows_states_and_nothing_private() -> None:
    rows = json.loads(printed("list_keys", "--json"))
    assert {row["kid"]: row["state"] for row in rows} == {
        key("current").kid: "current",
        key("next").kid: "next",
    }
    assert all(not {"sealed_private_key", *PRIVATE_MEMBERS} & set(row) for row in rows)
    text = printed("list_keys")
    for row in rows:
        assert f"{row['kid']}  RS256  {row['state']}" in text
    assert key("current").sealed_private_key not in text


@pytest.mark.django_db
def test_rotate_keys_names_the_new_current_key_and_then_has_nothing_to_do() -> None:
    upcoming = key("next").kid
    assert printed("rotate_keys") == f"current {upcoming}\n"
    assert printed("rotate_keys") == "nothing to do: rotated a moment ago\n"
    assert key("current").kid == upcoming


@pytest.mark.django_db
def test_rotate_keys_revokes_one_key_once() -> None:
    stolen = key("current").kid
    assert printed("rotate_keys", "--revoke", stolen) == f"revoked {stolen}\n"
    assert SigningKey.objects.get(kid=stolen).revoked_at is not None
    with pytest.raises(CommandError, match=stolen):
        printed("rotate_keys", "--revoke", stolen)


@pytest.mark.django_db
def test_rotate_keys_knows_no_unknown_kid() -> None:
    with pytest.raises(CommandError, match="There is no signing key unknown"):
        printed("rotate_keys", "--revoke", "unknown")
    assert SigningKey.objects.count() == 2


def test_ensure_keys_changes_nothing_that_is_there(db: None) -> None:
    before = list(SigningKey.objects.values())
    assert printed("ensure_keys") == ""
    assert ensure_first_keys() is False
    assert list(SigningKey.objects.values()) == before


# --- Discovery

DOCUMENTS = (
    "//.well-known/openid-configuration",
    "//.well-known/oauth-authorization-server",
)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_the_issuer_is_that_of_the_tokens(client: Client, alice: User, path: str) -> None:
    document = client.get(path).json()
    claims = jwt.decode(
        client.sign_in("alice")["access_token"], options={"verify_signature": False}
    )
    assert document["issuer"] == claims["iss"] == settings.PUBLIC_URL
    assert document["jwks_uri"] == f"{settings.PUBLIC_URL}/.well-known/jwks.json"
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]


@pytest.mark.parametrize("path", DOCUMENTS)
def test_no_header_changes_a_discovery_document(client: Client, path: str) -> None:
    honest = client.get(path).content
    forged = {
        "host": "localhost",
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": "https",
        "x-forwarded-port": "444",
        "forwarded": "host=evil.example;proto=https",
        "x-original-url": "https://evil.example/",
    }
    assert client.get(path, headers=forged).content == honest
    assert client.get(path, headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("path", DOCUMENTS)
def test_discovery_promises_only_what_exists(client: Client, path: str) -> None:
    document = client.get(path).json()
    endpoints = [value for name, value in document.items() if name.endswith(("_uri", "_endpoint"))]
    assert endpoints
    for url in endpoints:
        assert url.startswith(settings.PUBLIC_URL)
        answer = client.get(f"/{url.removeprefix(settings.PUBLIC_URL)}")
        assert answer.status_code in (200, 401, 405)


def test_a_damaged_row_costs_only_its_own_key(client: Client, alice: User) -> None:
    client.sign_in("alice")
    SigningKey.objects.filter(state="next").update(public_jwk={"kty": "RSA", "n": "?"})
    keyring.forget()
    assert client.get("/users/me").status_code == 200
    published = client.get("//.well-known/jwks.json").json()["keys"]
    assert [jwk["kid"] for jwk in published] == [SigningKey.objects.get(state="current").kid]


def test_a_sealed_text_that_is_no_key_is_a_503(client: Client, alice: User) -> None:
    SigningKey.objects.filter(state="current").update(sealed_private_key=seal("no key"))
    keyring.forget()
    keyring._signing = None
    answer = client.post("/auth/login", {"username": "alice", "password": PASSWORD})
    assert_problem(answer, 503, "signing_unavailable")


def test_a_kid_can_be_typed_on_a_command_line() -> None:
    """One thumbprint in 64 begins with a dash, which argparse takes for an option."""
    assert not any(generate("EdDSA").kid.startswith("-") for _ in range(400))
