"""Hashes that other systems made: signed in with once, then they are ours."""

import base64
import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import get_hasher

from accounts import hashers
from accounts.imported_hashes import UnusableHash, check_stored, stored_form
from accounts.models import User
from tests.accounts.importing import BCRYPT, HASHED, HASHES, Import, jsonl
from tests.client import Client, assert_problem

SALT = "c2FsdHNhbHRzYWx0c2FsdA"
DIGEST = "a8uA9ErImbRbJImSHj+AJtNhe95Ag2DlcKj3Q/ap4Yk"
UMLAUTS = "zwölf Boxkämpfer jagen"


def stored(encoded: str) -> User:
    return User.objects.create(
        username="ada", password=stored_form(encoded), role_id="user", tier="free"
    )


def attempt(client: Client, password: str) -> int:
    answer = client.post("/auth/login", {"username": "ada", "password": password})
    return int(answer.status_code)


@pytest.mark.parametrize("encoded", HASHES.values(), ids=HASHES.keys())
def test_it_signs_in_and_is_then_hashed_with_our_argon2id(
    client: Client, tmp_path: Path, encoded: str
) -> None:
    done = Import(tmp_path, jsonl({"username": "ada", "password": encoded}))
    assert (done.summary["imported"], done.error) == (1, "")
    assert attempt(client, "tapir under moonz") == 401
    assert User.objects.get().password == stored_form(encoded)
    assert attempt(client, HASHED) == 200
    ours = User.objects.get().password
    assert ours.startswith("argon2$argon2id$v=19$m=64,t=1,p=1$")
    assert attempt(client, HASHED) == 200
    assert User.objects.get().password == ours


def test_the_password_can_be_changed_before_any_upgrade(client: Client, db: None) -> None:
    user = stored(BCRYPT)
    assert user.check_password(HASHED)
    client.sign_in("ada", HASHED)
    body = {"current_password": HASHED, "new_password": "three tapirs under moons"}
    assert client.post("/users/me/password", body).status_code == 200
    assert attempt(client, HASHED) == 401
    assert attempt(client, "three tapirs under moons") == 200


@pytest.mark.parametrize(
    ("encoded", "typed"),
    [
        # passlib's argon2 over the composed letters, werkzeug's scrypt over the decomposed.
        (
            (
                "$argon2id$v=19$m=1024,t=3,p=4$LeVcK8W4l9JaC4GwVooxBg$DEzPsRWKk696X5o4qcSlUTCggA+bw7z"
                "MH0vvUo5HazE"
            ),
            UMLAUTS,
        ),
        (
            (
                "scrypt:1024:8:1$2oF8Gs8o9vNJ4E5G$174fd06efbc830f46d31a9f97b75aaddbd28f1827675f6e61ef"
                "5e83ebc6a5f3ec23a685f74bbcf3623a2f8d892b440d6c3c75e10fb97f45409ac0d76ffea88e6"
            ),
            unicodedata.normalize("NFD", UMLAUTS),
        ),
        # bcrypt over letters of full width, whose normal form is ASCII.
        (
            "$2b$04$cadgkWGCoJkzFVurvmJT3.fuuZr.eDimLAfP4R2cEFv/68x2gJ1.a",
            "\uff54\uff41\uff50\uff49\uff52 "
            "\uff55\uff4e\uff44\uff45\uff52 \uff4d\uff4f\uff4f\uff4e\uff53",
        ),
    ],
)
def test_a_password_works_as_it_was_typed_and_then_in_every_spelling(
    client: Client, db: None, encoded: str, typed: str
) -> None:
    stored(encoded)
    assert attempt(client, typed + "!") == 401
    assert attempt(client, typed) == 200
    for form in ("NFC", "NFD", "NFKC"):
        assert attempt(client, unicodedata.normalize(form, typed)) == 200  # type: ignore[arg-type]


def test_bcrypt_counts_72_bytes_until_the_first_sign_in_and_all_after_it(
    client: Client, db: None
) -> None:
    # By passlib, which cuts silently.
    stored("$2b$04$55uGHLqTwSzqjpb2CRBWp.xV9dHjlaSHYSYh0e0jBrgExSmAk3YSu")
    long = "tapir under moons " * 5
    assert attempt(client, long[:71]) == 401
    assert attempt(client, long) == 200
    assert attempt(client, long[:72]) == 401
    assert attempt(client, long) == 200


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (BCRYPT.replace("$04$", "$15$"), "hash_too_costly"),
        (BCRYPT.replace("$04$", "$31$"), "hash_too_costly"),
        (f"$argon2id$v=19$m=262145,t=1,p=1${SALT}${DIGEST}", "hash_too_costly"),
        (f"$argon2id$v=19$m=4294967295,t=1,p=1${SALT}${DIGEST}", "hash_too_costly"),
        (f"$argon2id$v=19$m=1024,t=11,p=1${SALT}${DIGEST}", "hash_too_costly"),
        (f"$argon2id$v=19$m=262144,t=5,p=1${SALT}${DIGEST}", "hash_too_costly"),
        (f"$argon2id$v=19$m=4096,t=1,p=17${SALT}${DIGEST}", "hash_too_costly"),
        ("pbkdf2:sha256:2000001$salt$" + "0" * 64, "hash_too_costly"),
        (HASHES["Django 5.2 pbkdf2"].replace("1000000", "9999999999"), "hash_too_costly"),
        ("scrypt:2097152:8:1$salt$" + "0" * 128, "hash_too_costly"),
        ("scrypt:262144:8:1$salt$" + "0" * 128, "hash_too_costly"),
        ("scrypt:1024:65:1$salt$" + "0" * 128, "hash_too_costly"),
        ("scrypt:131072:8:16$salt$" + "0" * 128, "hash_too_costly"),
        ("scrypt:1024:8:17$salt$" + "0" * 128, "hash_too_costly"),
        ("scrypt:1000:8:1$salt$" + "0" * 128, "hash_malformed"),
        ("scrypt:1024:1:1$salt$" + "0" * 128, "hash_malformed"),
        ("scrypt:32768:8:1$salt$" + "0" * 127, "hash_malformed"),
        ("pbkdf2:sha256$salt$" + "0" * 64, "hash_malformed"),
        ("pbkdf2:md5:1000$salt$" + "0" * 32, "hash_malformed"),
        (BCRYPT[:-1], "hash_malformed"),
        (BCRYPT[:-1] + "7", "hash_malformed"),
        (BCRYPT.replace("$2y$", "$2x$"), "hash_malformed"),
        (BCRYPT.replace("$04$", "$03$"), "hash_malformed"),
        (f"$argon2id$v=16$m=1024,t=1,p=1${SALT}${DIGEST}", "hash_malformed"),
        (f"$argon2id$v=19$m=7,t=1,p=1${SALT}${DIGEST}", "hash_malformed"),
        (f"$argon2id$v=19$m=1024,t=0,p=1${SALT}${DIGEST}", "hash_malformed"),
        (f"$argon2id$v=19$m=1024,t=1,p=1${SALT}B${DIGEST}", "hash_malformed"),
        (f"$argon2id$v=19$m=1024,t=1,p=1${SALT[:-1]}B${DIGEST}", "hash_malformed"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "hash_unknown"),
        ("md5$salt$5f4dcc3b5aa765d61d8327deb882cf99", "hash_unknown"),
        ("tapir under moons", "hash_unknown"),
        ("", "required"),
    ],
)
def test_a_hash_that_costs_too_much_or_is_malformed_is_refused_at_import(
    db: None, tmp_path: Path, encoded: str, code: str
) -> None:
    done = Import(tmp_path, jsonl({"username": "ada", "password": encoded}))
    assert done.reasons == [(1, "password", code)]
    assert not User.objects.exists()
    if encoded:
        assert encoded not in done.report


@pytest.mark.parametrize(
    "encoded",
    [
        "bcrypt$" + BCRYPT.replace("$04$", "$31$"),
        "bcrypt$nonsense",
        f"imported_argon2$argon2id$v=19$m=4194304,t=1000,p=1${SALT}${DIGEST}",
        "imported_argon2$",
        "scrypt$1048576$salt$8$1$" + base64.b64encode(bytes(64)).decode(),
        "werkzeug$pbkdf2:sha256:4000000000$salt$" + "0" * 64,
        "werkzeug$",
        "pbkdf2_sha256$4000000000$salt$" + base64.b64encode(bytes(32)).decode(),
    ],
)
def test_one_that_got_into_the_table_some_other_way_is_a_wrong_password_and_never_computed(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch, encoded: str
) -> None:
    def computed(*_: Any, **__: Any) -> None:
        raise AssertionError

    verifiers = ("bcrypt.hashpw", "argon2.PasswordHasher.verify", "hashlib.scrypt")
    for name in (*verifiers, "hashlib.pbkdf2_hmac"):
        monkeypatch.setattr(name, computed)
    User.objects.update(password=encoded)
    body = {"username": "alice", "password": HASHED}
    assert_problem(client.post("/auth/login", body), 401, "invalid_credentials")


@pytest.mark.parametrize(
    "encoded",
    [
        f"$argon2id$v=19$m=262144,t=4,p=16${SALT}${DIGEST}",
        "scrypt:131072:8:1$s$" + "0" * 128,
        "scrypt:2:64:16$s$" + "0" * 128,
        "pbkdf2:sha512:2000000$s$" + "0" * 128,
        "scrypt$16384$s$64$4$" + base64.b64encode(bytes(64)).decode(),
    ],
)
def test_what_is_just_within_the_bounds_is_checked_without_an_error(db: None, encoded: str) -> None:
    assert stored(encoded).check_password(HASHED) is False


@pytest.mark.parametrize(
    "name", sorted({stored_form(e).partition("$")[0] for e in HASHES.values()})
)
def test_a_check_waits_for_a_slot_as_our_own_hashes_do(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    encoded = next(e for e in HASHES.values() if stored_form(e).startswith(f"{name}$"))
    stored(encoded)
    slots = threading.BoundedSemaphore(1)
    monkeypatch.setattr(hashers, "_slots", slots)
    monkeypatch.setattr(hashers, "LONGEST_WAIT_SECONDS", 0.01)
    with slots:
        answer = client.post("/auth/login", {"username": "ada", "password": HASHED})
        assert_problem(answer, 503, "too_busy")
    assert attempt(client, HASHED) == 200


@pytest.mark.parametrize("password", [HASHED, "wrong"])
def test_a_check_never_costs_less_than_that_of_an_unknown_user(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """Each time ours is computed once, beside theirs; twice would be an oracle, too."""
    made: list[object] = []
    encode: Callable[..., str] = hashers.Argon2idHasher.encode

    def counting(self: Any, given: str, salt: str) -> str:
        made.append(given)
        return encode(self, given, salt)

    monkeypatch.setattr(hashers.Argon2idHasher, "encode", counting)
    assert client.post("/auth/login", {"username": "nobody", "password": "x"}).status_code == 401
    assert len(made) == 1
    stored(BCRYPT)
    attempt(client, password)
    assert len(made) == 2


@pytest.mark.parametrize("encoded", HASHES.values(), ids=HASHES.keys())
def test_each_stored_form_is_known_to_a_hasher_and_fits_its_column(encoded: str) -> None:
    form = stored_form(encoded)
    assert get_hasher(form.partition("$")[0]).algorithm != get_hasher().algorithm
    assert len(form) <= User._meta.get_field("password").max_length
    assert stored_form(form) == form


def test_the_longest_hash_that_passes_fits_its_column() -> None:
    form = stored_form(
        f"$argon2id$v=19$m=0000262144,t=0000000004,p=0000000016${'A' * 64}${'A' * 88}"
    )
    check_stored(form)
    assert len(form) <= User._meta.get_field("password").max_length
    with pytest.raises(UnusableHash):
        stored_form(f"$argon2id$v=19$m=1024,t=1,p=1${'A' * 68}${DIGEST}")
