"""Passwords that must not be chosen: the most used, and names that everybody knows."""

import io
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from accounts import password_validation
from accounts.common_passwords import FILE, WIDTH, is_common
from accounts.models import User
from accounts.password_validation import StrengthValidator
from accounts.services.registration import bootstrap_admin
from scripts import common_passwords
from tests.accounts.mailbox import letter
from tests.client import PASSWORD, Client, assert_problem

Refuse = Callable[[str], set[str]]
COMMON = "iloveyou123"


def codes(answer: Any) -> set[str]:
    """Why a password was refused."""
    refusal = assert_problem(answer, 422, "validation_error")
    assert {error["field"] for error in refusal["errors"]} <= {"password", "new_password"}
    assert all(error["detail"].endswith((".", "!")) for error in refusal["errors"])
    return {error["code"] for error in refusal["errors"]}


def register(password: str, **fields: str) -> Any:
    body = {"email": "new@example.net", "password": password}
    return Client().post("/auth/register", body | fields)


def at_registration(password: str) -> set[str]:
    return codes(register(password))


def at_a_change(password: str) -> set[str]:
    client = Client()
    client.sign_in("alice")
    body = {"current_password": PASSWORD, "new_password": password}
    return codes(client.post("/users/me/password", body))


def at_a_reset(password: str) -> set[str]:
    Client().post("/auth/password/forgot", {"email": "alice@example.com"})
    body = {"token": letter("reset").token, "new_password": password}
    return codes(Client().post("/auth/password/reset", body))


def in_place_of_an_expired_one(password: str) -> set[str]:
    User.objects.filter(username="alice").update(password_expired=True)
    body = {"username": "alice", "password": PASSWORD, "new_password": password}
    return codes(Client().post("/auth/login", body))


def as_admin(method: str, path: str, **body: str) -> set[str]:
    client = Client()
    client.sign_in("root")
    return codes(client.call(method, path, body))


def of_a_new_user(password: str) -> set[str]:
    return as_admin("post", "/users", username="new", password=password)


def of_an_added_user(password: str) -> set[str]:
    return as_admin("post", "/users/add_user", username="new", password=password)


def set_by_an_admin(password: str) -> set[str]:
    return as_admin("put", "/users/update_password", username="alice", new_password=password)


ENTRANCES = [
    at_registration,
    at_a_change,
    at_a_reset,
    in_place_of_an_expired_one,
    of_a_new_user,
    of_an_added_user,
    set_by_an_admin,
]
at_every_entrance = pytest.mark.parametrize("refuse", ENTRANCES)


@at_every_entrance
def test_a_common_password_is_refused_everywhere(alice: User, admin: User, refuse: Refuse) -> None:
    assert "password_too_common" in refuse(COMMON)


@pytest.mark.parametrize("command", ["create_user", "bootstrap_admin"])
def test_commands_refuse_a_common_password(
    db: None, command: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FIRST_SUPERUSER_PASSWORD = COMMON
    monkeypatch.setattr(sys, "stdin", io.StringIO(COMMON))
    arguments = ["--username", "new", "--password-stdin"] if command == "create_user" else []
    with pytest.raises(CommandError, match="one of the most used"):
        call_command(command, *arguments)
    assert not User.objects.exists()


@pytest.mark.parametrize("password", ["sunshine1", "SUNSHINE1", " Sunshine1\t", "\uff33unshine1"])
def test_another_spelling_is_as_common(db: None, password: str) -> None:
    assert "password_too_common" in at_registration(password)


@pytest.mark.parametrize("words", sorted(FREQUENCY_LISTS))
def test_the_3000_most_used_that_are_long_enough_are_all_known(words: str) -> None:
    long_enough = [word for word in FREQUENCY_LISTS[words] if len(word) >= 8][:3000]
    assert [word for word in long_enough if not is_common(word)] == []


def test_all_that_django_knows_is_known() -> None:
    long_enough = [word for word in common_passwords.django_list() if len(word) >= 8]
    assert len(long_enough) > 8000
    assert [word for word in long_enough if not is_common(word)] == []


def test_the_file_is_what_its_script_makes() -> None:
    made = common_passwords.filter_file()
    assert made == FILE.read_bytes()
    assert len(made) == 45_520 * WIDTH


def test_what_is_in_no_list_is_not_common() -> None:
    assert not any(is_common(f"tapir under {number} moons") for number in range(20_000))
    assert not is_common("")


class Watching:
    """Refuses every password, and notes which transaction that happens in."""

    depths: ClassVar[list[int]] = []

    def validate(self, password: str, user: Any = None) -> None:
        # What a test runs in is one, too; each one inside it is a savepoint.
        self.depths.append(len(connection.savepoint_ids))
        raise ValidationError("Watched.", code="watched")


@pytest.fixture
def watched(settings: Any, db: None) -> list[int]:
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": f"{__name__}.Watching"}]
    Watching.depths.clear()
    return Watching.depths


@at_every_entrance
def test_no_request_holds_a_row_while_a_password_is_checked(
    watched: list[int], alice: User, admin: User, refuse: Refuse
) -> None:
    assert refuse("tapir under seven moons") == {"watched"}
    assert watched == [len(connection.savepoint_ids)]


@pytest.mark.parametrize("command", ["create_user", "bootstrap_admin"])
def test_no_command_holds_one_either(
    watched: list[int], command: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FIRST_SUPERUSER_PASSWORD = "tapir under seven moons"
    monkeypatch.setattr(sys, "stdin", io.StringIO("tapir under seven moons"))
    arguments = ["--username", "new", "--password-stdin"] if command == "create_user" else []
    with pytest.raises(CommandError, match="Watched"):
        call_command(command, *arguments)
    assert watched == [len(connection.savepoint_ids)]


class Overtaken:
    """While this one is looked at, another start makes the admin."""

    others: ClassVar[list[User | None]] = []

    def validate(self, password: str, user: Any = None) -> None:
        if not self.others:
            self.others.append(None)
            self.others.append(bootstrap_admin(password=password))


def test_of_two_first_starts_the_slower_one_makes_nobody(settings: Any, db: None) -> None:
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": f"{__name__}.Overtaken"}]
    Overtaken.others.clear()
    assert bootstrap_admin(password="tapir under seven moons") is None
    assert Overtaken.others[1] == User.objects.get()


HOST = "https://id.bookshop.example"


@pytest.mark.parametrize(
    "password",
    [
        "wilhelmina",
        "Wilhelmina1843!",
        "w1lh3lm1n@",
        "wilhelmine",
        "wilhelmina.krause",
        "wilhelminawilhelmina",
        "anna-lena@example.net",
        "Krausenstein99",
        "42-KRAUSENSTEIN-42",
        "annalena2024",
    ],
)
def test_a_name_of_the_person_is_no_password(db: None, password: str) -> None:
    answer = register(
        password,
        email="annalena@example.net",
        username="wilhelmina",
        first_name="Annalena",
        last_name="Krausenstein",
    )
    assert "password_too_similar" in codes(answer)


@pytest.mark.parametrize(
    "password",
    [
        "Papyrology",
        "papyrology24!",
        "P@pyrology",
        "papyrologie",
        "bookshop",
        "Bookshop2024",
        "id.bookshop.example",
        "moderator",
        "admin-admin",
        "Adm1n!234",
        "model_manager",
        "moderator99",
    ],
)
def test_a_name_of_the_service_is_no_password(db: None, password: str, settings: Any) -> None:
    settings.PROJECT_NAME, settings.PUBLIC_URL = "Papyrology", HOST
    assert "password_too_similar" in at_registration(password)


@at_every_entrance
def test_a_name_is_refused_everywhere(alice: User, admin: User, refuse: Refuse) -> None:
    assert "password_too_similar" in refuse("moderator24!")


@pytest.mark.parametrize(
    "password",
    ["three wilhelmina plums on papyrology", "the admin eats bookshop paper", "moderator qT7!vbz2"],
)
def test_a_name_inside_a_long_password_does_no_harm(db: None, password: str, settings: Any) -> None:
    settings.PROJECT_NAME, settings.PUBLIC_URL = "Papyrology", HOST
    assert register(password, username="wilhelmina").status_code == 201


def test_short_names_spoil_no_password(db: None) -> None:
    assert register("qT7!ian-b", username="ian", first_name="Bo").status_code == 201


def test_the_estimate_knows_the_words_too(alice: User) -> None:
    """A rare surname is as good as random; to who attacks its owner it is one guess."""
    password = "krzyzanowskapassword"
    assert register(password).status_code == 201
    body = {"email": "n@example.org", "password": password, "last_name": "Krzyzanowska"}
    assert "password_too_weak" in codes(Client().post("/auth/register", body))


def test_two_estimates_at_once_keep_their_words_apart(
    monkeypatch: pytest.MonkeyPatch, alice: User
) -> None:
    """zxcvbn keeps what it is given in a global."""

    def estimating(*_args: Any, **_options: Any) -> dict[str, Any]:
        assert password_validation.ESTIMATING.locked()
        return {"score": 4, "feedback": {"warning": ""}}

    monkeypatch.setattr(password_validation, "zxcvbn", estimating)
    StrengthValidator().validate("tapir under moons", alice)
