"""The first admin is made once; the door stays shut when that admin is gone."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command

from accounts.models import User
from accounts.services.registration import bootstrap_admin
from accounts.services.users import change_user, delete_user
from tests.client import Client

EMAIL, PASSWORD = "first@example.com", "an-admin-of-the-tests"


@pytest.fixture
def first(db: None, settings: Any) -> User:
    settings.FIRST_SUPERUSER_EMAIL = EMAIL
    settings.FIRST_SUPERUSER_PASSWORD = PASSWORD
    call_command("bootstrap_admin")
    return User.objects.get(email=EMAIL)


def test_it_makes_an_admin_who_signs_in(first: User) -> None:
    assert first.is_admin
    assert Client().sign_in(EMAIL, PASSWORD)["role"] == "admin"


GONE: dict[str, Callable[[User], Any]] = {
    "deleted": lambda first: delete_user(user=first, actor=None),
    "disabled": lambda first: change_user(user=first, changes={"is_active": False}, actor=None),
    "demoted": lambda first: change_user(user=first, changes={"role": "user"}, actor=None),
    "renamed": lambda first: change_user(
        user=first, changes={"email": "other@example.com"}, actor=None
    ),
    "out of the table": lambda first: User.objects.filter(pk=first.pk).delete(),
}


@pytest.mark.parametrize("gone", GONE.values(), ids=GONE.keys())
def test_it_stays_shut_when_the_first_admin_is_gone(
    first: User, make_user: Callable[..., User], gone: Callable[[User], Any]
) -> None:
    second = make_user("second", role="admin")
    gone(first)
    # Not even the last one, whom an operator of the database took away.
    User.objects.filter(pk=second.pk).delete()
    before = set(User.objects.values_list("pk", "role_id"))
    call_command("bootstrap_admin")
    assert bootstrap_admin(password=PASSWORD) is None
    assert set(User.objects.values_list("pk", "role_id")) == before


def test_nobody_reaches_it_over_the_network(db: None, settings: Any) -> None:
    """An empty service gives nobody an admin who asks for one."""
    settings.FIRST_SUPERUSER_EMAIL = EMAIL
    body = {"email": EMAIL, "username": "admin", "password": PASSWORD}
    wishes = {"role": "admin", "is_admin": True, "is_superuser": True, "is_staff": True}
    assert Client().post("/auth/register", body | wishes).status_code == 201
    assert User.objects.get().role_id == "user"
    for name in ("admin", "root", "administrator", EMAIL):
        for password in ("admin", "password", "", "changeme"):
            sent = {"username": name, "password": password}
            assert Client().post("/auth/login", sent).status_code in {401, 422}
