"""A locked, inactive, unverified or expired account on every way in, and in what began before."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client as Browser
from django.test import TestCase

from accounts.models import SignInFailures, User
from accounts.models.one_time_token import Purpose
from accounts.services.one_time_tokens import issue
from accounts.services.users import change_user
from tests.client import PASSWORD, Client

NEW = "tapir under seven moons"
LOGIN = {"username": "root", "password": PASSWORD}


@dataclass
class Held:
    """What somebody holds of an account from the time when nothing was wrong with it."""

    app: Client
    pair: dict[str, Any]
    key: str
    console: Browser
    links: dict[Purpose, str]
    code: str


@pytest.fixture
def held(admin: User, limits_on: None) -> Held:
    app = Client()
    pair = app.sign_in("root")
    key = app.post("/api-keys", {"name": "x", "scopes": []}).json()["key"]
    console = Browser()
    assert console.post("/admin/login/", LOGIN).status_code == 302
    tokens = {p: issue(user=admin, purpose=p, email="other@example.com") for p in Purpose}
    links = {purpose: token.text for purpose, token in tokens.items()}
    return Held(app, pair, key, console, links, tokens[Purpose.VERIFY_EMAIL].code)


def lock(user: User, settings: Any) -> None:
    """Until a reset, for strangers and for known devices."""
    row = SignInFailures(user=user, failures=80, device_failures=20)
    row.slot, row.last_failed_at = str(user.pk), user.created_at
    row.save()


def deactivate(user: User, settings: Any) -> None:
    User.objects.create(username="second", tier="free", role_id="admin")
    with TestCase.captureOnCommitCallbacks(execute=True):
        change_user(user=user, changes={"is_active": False}, actor=None)


def unverify(user: User, settings: Any) -> None:
    settings.AUTH_EMAIL_VERIFICATION = "required"


def expire(user: User, settings: Any) -> None:
    User.objects.filter(pk=user.pk).update(password_expired=True)


def posted(path: str, **body: str) -> bool:
    return bool(Client().post(path, body).status_code == 200)


def on_page(path: str, token: str) -> bool:
    return bool(Browser().post(path, {"token": token}).status_code == 200)


def known_device(held: Held) -> bool:
    held.app.access_token = None
    return bool(held.app.post("/auth/login", LOGIN).status_code == 200)


WAYS: dict[str, Callable[[Held], bool]] = {
    "password": lambda held: posted("/auth/login", **LOGIN),
    "form": lambda _: (
        Client().form("/auth/access-token", f"username=root&password={PASSWORD}").status_code == 200
    ),
    "known device": known_device,
    "console": lambda _: Browser().post("/admin/login/", LOGIN).status_code == 302,
    "password again": lambda held: (
        held.app.post(
            "/auth/email/change", {"new_email": "x@example.com", "password": PASSWORD}
        ).status_code
        == 202
    ),
    "access token": lambda held: held.app.get("/users/me").status_code == 200,
    "refresh": lambda held: held.app.refresh(held.pair["refresh_token"]).status_code == 200,
    "key": lambda held: Client(held.key).get("/users/me").status_code == 200,
    "console session": lambda held: held.console.get("/admin/").status_code == 200,
    "reset link": lambda held: posted(
        "/auth/password/reset", token=held.links[Purpose.RESET_PASSWORD], new_password=NEW
    ),
    "invitation": lambda held: posted(
        "/auth/password/reset", token=held.links[Purpose.SET_PASSWORD], new_password=NEW
    ),
    "verification": lambda held: posted(
        "/auth/email/verify", token=held.links[Purpose.VERIFY_EMAIL]
    ),
    "code": lambda held: posted("/auth/email/verify", email="root@example.com", code=held.code),
    "change of address": lambda held: posted(
        "/auth/email/verify", token=held.links[Purpose.CHANGE_EMAIL]
    ),
    "undoing a change": lambda held: on_page(
        "/account/email/undo", held.links[Purpose.UNDO_EMAIL_CHANGE]
    ),
}
PASSWORDS = {"password", "form", "known device", "console"}
# What began before goes on, and what is mailed leads out of each of these states.
OPEN: dict[Callable[[User, Any], None], set[str]] = {
    lock: set(WAYS) - PASSWORDS - {"password again"},
    # Only the old address gets it back; nobody signs in by that.
    deactivate: {"undoing a change"},
    unverify: set(WAYS) - PASSWORDS,
    expire: set(WAYS) - PASSWORDS,
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_in_the_way_of_an_account_that_is_well(held: Held, way: str) -> None:
    """So that what refuses below is the state."""
    assert WAYS[way](held)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", OPEN, ids=lambda state: state.__name__)
def test_a_state_counts_on_every_way_in(
    held: Held, admin: User, settings: Any, state: Callable[[User, Any], None], way: str
) -> None:
    state(admin, settings)
    assert WAYS[way](held) == (way in OPEN[state])


@pytest.mark.parametrize("way", ["reset link", "invitation"])
def test_a_new_password_is_the_way_out_of_a_lock(
    held: Held, admin: User, settings: Any, way: str
) -> None:
    lock(admin, settings)
    assert WAYS[way](held)
    assert posted("/auth/login", username="root", password=NEW)


def test_undoing_a_change_opens_no_inactive_account(held: Held, admin: User, settings: Any) -> None:
    deactivate(admin, settings)
    assert WAYS["undoing a change"](held)
    assert not User.objects.get(pk=admin.pk).is_active
    for way in set(WAYS) - {"undoing a change"}:
        assert not WAYS[way](held), way
