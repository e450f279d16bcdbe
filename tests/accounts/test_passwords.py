"""What may be a password, and how it is kept."""

import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from accounts.models import User
from tests.client import Client, assert_problem
from tests.service import ROOT

# Every password that one of the five source documents shows.
README_PASSWORDS = [
    "your_password",
    "new_password",
    "the_new_password",
    "securepassword123",
    "your-secure-password",
]
LONG = "".join(chr(ord("a") + number * 7 % 26) for number in range(256))
UMLAUTS = "zwölf Boxkämpfer jagen"


def register(client: Client, password: str, name: str = "new") -> int:
    body = {"email": f"{name}@example.net", "password": password}
    return int(client.post("/auth/register", body).status_code)


def signs_in(client: Client, password: str, name: str = "new") -> bool:
    body = {"email": f"{name}@example.net", "password": password}
    answer = client.post("/auth/login", body)
    assert answer.status_code in (200, 401), answer.content
    return bool(answer.status_code == 200)


@pytest.mark.parametrize("password", README_PASSWORDS)
def test_the_source_documents_own_examples_are_accepted(client: Client, password: str) -> None:
    assert register(client, password) == 201
    assert signs_in(client, password)


@pytest.mark.parametrize("password", ["qT7!vbz2", LONG])
def test_8_to_256_characters_are_accepted(client: Client, password: str) -> None:
    assert len(password) in (8, 256)
    assert register(client, password) == 201
    assert signs_in(client, password)


@pytest.mark.parametrize(
    ("password", "code"), [("qT7!vbz", "password_too_short"), (LONG + "x", "password_too_long")]
)
def test_fewer_or_more_characters_are_refused(client: Client, password: str, code: str) -> None:
    body = {"email": "new@example.net", "password": password}
    refusal = assert_problem(client.post("/auth/register", body), 422, "validation_error")
    assert code in {error["code"] for error in refusal["errors"]}
    assert {error["field"] for error in refusal["errors"]} == {"password"}


def test_characters_are_counted_not_bytes(client: Client) -> None:
    assert register(client, "七つの海を渡る猫" * 32) == 201


@pytest.mark.parametrize(
    "password", ["password", "12345678", "qwertyuiop", "aaaaaaaaaaaa", "letmein1", "11111111"]
)
def test_a_weak_password_is_refused_with_a_reason(client: Client, password: str) -> None:
    body = {"email": "new@example.net", "password": password}
    refusal = assert_problem(client.post("/auth/register", body), 422, "validation_error")
    assert all(error["detail"].endswith((".", "!")) for error in refusal["errors"])


@pytest.mark.parametrize("password", ["wilhelmina@example.net", "wilhelmina"])
def test_a_password_like_the_users_name_is_refused(client: Client, password: str) -> None:
    assert register(client, password, name="wilhelmina") == 422


@pytest.mark.parametrize(("given", "later"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_the_keyboard_that_composed_the_letters_does_not_matter(
    client: Client, given: str, later: str
) -> None:
    assert unicodedata.normalize("NFD", UMLAUTS) != UMLAUTS
    assert register(client, unicodedata.normalize(given, UMLAUTS)) == 201  # type: ignore[arg-type]
    assert signs_in(client, unicodedata.normalize(later, UMLAUTS))  # type: ignore[arg-type]
    assert not signs_in(client, UMLAUTS.replace("ö", "o"))


@pytest.mark.parametrize("position", [1, 72, 199, 255])
def test_every_character_counts(client: Client, position: int) -> None:
    assert register(client, LONG) == 201
    other = LONG[:position] + "#" + LONG[position + 1 :]
    assert not signs_in(client, other)
    assert not signs_in(client, LONG[:position])
    assert signs_in(client, LONG)


@pytest.mark.parametrize("password", [" tapir under moons", "tapir under moons ", "\ttapir moons"])
def test_surrounding_spaces_count(client: Client, password: str) -> None:
    assert register(client, password) == 201
    assert not signs_in(client, password.strip())
    assert signs_in(client, password)


def test_case_counts(client: Client) -> None:
    assert register(client, "Tapir under Moons") == 201
    assert not signs_in(client, "tapir under moons")


def test_the_same_password_is_stored_differently(client: Client) -> None:
    register(client, "tapir under moons", name="one")
    register(client, "tapir under moons", name="two")
    first, second = User.objects.values_list("password", flat=True)
    assert first != second


def test_by_default_a_hash_is_argon2id_with_owasps_least_parameters(tmp_path: Path) -> None:
    """In a process of its own: this one hashes with less, for speed."""
    program = (
        "import django; django.setup();"
        "from accounts.models import User;"
        "user = User(); user.set_password('tapir under moons'); print(user.password)"
    )
    foreign = ("AUTH_", "DATABASE_URL", "REDIS_URL")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    environment |= {"AUTH_DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "authsite.settings"}
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    algorithm, kind, version, parameters, salt, digest = run.stdout.strip().split("$")
    assert (algorithm, kind, version) == ("argon2", "argon2id", "v=19")
    assert parameters == "m=19456,t=2,p=1"
    assert len(salt) >= 22
    assert len(digest) >= 43


def test_an_older_hash_is_upgraded_at_the_next_sign_in(client: Client, alice: User) -> None:
    from argon2 import PasswordHasher

    weaker = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1)
    User.objects.update(password="argon2" + weaker.hash("tapir under moons"))
    client.sign_in("alice", "tapir under moons")
    alice.refresh_from_db()
    assert "m=64,t=1,p=1" in alice.password
    client.sign_in("alice", "tapir under moons")
