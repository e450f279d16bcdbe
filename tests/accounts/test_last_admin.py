"""The last active admin stays, whoever asks and however many at once."""

from typing import Any

import pytest

from accounts.models import User
from accounts.services.users import change_user
from security.client_info import ClientInfo
from security.errors import GrantTooWide, LastAdmin, NotOnYourself
from security.models import AuditEvent


def test_the_command_line_cannot_remove_the_last_admin(admin: User) -> None:
    with pytest.raises(LastAdmin):
        change_user(user=admin, changes={"is_active": False}, actor=None)
    with pytest.raises(LastAdmin):
        change_user(user=admin, changes={"role": "user"}, actor=None)
    assert User.objects.active_admins().get() == admin


def test_with_a_second_admin_the_first_can_go(admin: User, make_user: Any) -> None:
    second = make_user("second", role="admin")
    change_user(user=admin, changes={"role": "user"}, actor=second)
    assert User.objects.active_admins().get() == second
    event = AuditEvent.objects.get(kind="user.changed")
    assert event.details == {"before": {"role": "admin"}, "after": {"role": "user"}}


def test_an_inactive_admin_does_not_count(admin: User, make_user: Any) -> None:
    make_user("second", role="admin", is_active=False)
    with pytest.raises(LastAdmin):
        change_user(user=admin, changes={"role": "user"}, actor=None)


def test_nobody_changes_themselves_or_their_betters(admin: User, alice: User) -> None:
    client = ClientInfo()
    with pytest.raises(NotOnYourself):
        change_user(user=admin, changes={"role": "user"}, actor=admin, client=client)
    with pytest.raises(NotOnYourself):
        change_user(user=admin, changes={"is_active": False}, actor=admin, client=client)
    with pytest.raises(GrantTooWide):
        change_user(user=admin, changes={"is_active": False}, actor=alice, client=client)
    with pytest.raises(GrantTooWide):
        change_user(user=admin, changes={"role": "user"}, actor=alice, client=client)
