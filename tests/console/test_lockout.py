"""Failed sign-ins at the console: they count, are shown and forgotten, and lock no owner out."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.authentication import DEVICE_COOKIE
from accounts.models import Role, User
from accounts.services.login import log_in
from security.client_info import ClientInfo
from security.errors import AuthError, GrantTooWide, LoginCooldown
from security.models import AuditEvent
from security.rates import parse_rates
from tests.client import PASSWORD
from tests.console.conftest import Console, change_path

AWAY = ClientInfo(ip_address="198.51.100.7")


@pytest.fixture(autouse=True)
def limits_on(limits_on: None, settings: Any) -> None:
    wide = {name: parse_rates("1000/m") for name in ("login", "login_device", "login_address")}
    settings.AUTH_LIMIT_RATES = settings.AUTH_LIMIT_RATES | wide


def fail(times: int, name: str) -> None:
    for _ in range(times):
        with pytest.raises(AuthError):
            log_in(identifier=name, password="wrong", client=AWAY)


def may_sign_in(name: str) -> bool:
    try:
        log_in(identifier=name, password=PASSWORD, client=AWAY)
    except LoginCooldown:
        return False
    return True


def errors(answer: Any) -> str:
    return " ".join(answer.context["form"].non_field_errors())


def test_the_console_locks_with_the_api(console: Console, admin: User) -> None:
    for _ in range(5):
        assert "don't open" in errors(console.sign_in("root", "wrong"))
    assert "Too many failed sign-ins" in errors(console.sign_in("root"))
    here = ClientInfo(ip_address="127.0.0.1")
    with pytest.raises(LoginCooldown):
        log_in(identifier="root", password=PASSWORD, client=here)


def test_a_stranger_locks_no_operator_out(
    console: Console, operator: Console, admin: User, settings: Any
) -> None:
    cookie = operator.cookies[DEVICE_COOKIE]
    assert (cookie["path"], cookie["samesite"]) == ("/admin/login/", "Strict")
    assert cookie["httponly"]
    operator.post("/admin/logout/")
    settings.AUTH_LIMIT_RATES = settings.AUTH_LIMIT_RATES | {"login": parse_rates("1/m")}
    for number in range(20):
        client = ClientInfo(ip_address=f"203.0.113.{number}")
        with pytest.raises(AuthError):
            log_in(identifier="root", password="wrong", client=client)
    stranger = Console(raise_request_exception=False)
    assert "Too many failed sign-ins" in errors(stranger.sign_in("root"))
    assert "Too many requests" in errors(stranger.sign_in("root"))
    assert operator.sign_in("root").status_code == 302


def test_the_page_of_a_user_shows_failures_and_unlocks(
    operator: Console, alice: User, admin: User
) -> None:
    path = f"/admin/accounts/user/{alice.pk}/unlock/"
    # Strangers may have locked the name before it was alice's, which no failure of hers shows.
    assert path in operator.html(change_path(alice))
    fail(6, "alice")
    shown = operator.get(change_path(alice)).context["adminform"]
    assert shown.model_admin.failures_in_a_row(alice) == 5
    assert shown.model_admin.locked_until(alice)
    html = operator.html(change_path(alice))
    assert "Failed sign-ins in a row" in html
    assert path in html
    assert not may_sign_in("alice")
    answer = operator.post(path, follow=True)
    assert operator.texts(answer) == ["The failed sign-ins are forgotten."]
    assert may_sign_in("alice")
    event = AuditEvent.objects.get(kind="login.unlocked")
    assert (event.actor_id, event.subject_id) == (admin.pk, alice.pk)


def test_an_account_that_needs_a_reset_says_so(
    operator: Console, alice: User, settings: Any
) -> None:
    settings.AUTH_LOCKOUT_RESET_AFTER = 10
    settings.AUTH_LOCKOUT_FAILURES = 8
    fail(8, "alice")
    assert "unlocked, or given a new password" in operator.html(change_path(alice))


def test_a_look_at_the_address_unlocks_nobody(operator: Console, alice: User) -> None:
    fail(5, "alice")
    assert operator.get(f"/admin/accounts/user/{alice.pk}/unlock/").status_code == 405
    assert not may_sign_in("alice")


def test_it_takes_the_right_to_change_users(
    console: Console,
    alice: User,
    admin: User,
    make_user: Callable[..., User],
    make_role: Callable[..., Role],
) -> None:
    make_role("reader", "accounts.view_user")
    make_role("keeper", "accounts.view_user", "accounts.change_user")
    for name in ("reader", "keeper"):
        make_user(name, role=name)
    fail(5, "alice")
    fail(5, "root")
    console.sign_in("reader")
    path = f"/admin/accounts/user/{alice.pk}/unlock/"
    assert path not in console.html(change_path(alice))
    assert console.post(path).status_code == 403
    console.sign_in("keeper")
    refused = console.post(f"/admin/accounts/user/{admin.pk}/unlock/", follow=True)
    assert console.texts(refused) == [GrantTooWide.detail]
    assert not may_sign_in("root")
    assert not may_sign_in("alice")
