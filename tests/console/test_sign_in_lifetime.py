"""How long a sign-in to the console lasts, and what ends it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import OutgoingMail, Role, User
from accounts.services.login import sign_in_to_console
from accounts.services.users import change_user, delete_user
from security.client_info import ClientInfo
from security.models import AuditEvent
from sessions_app.models import DeviceSession
from tests.client import PASSWORD, Client
from tests.console.conftest import Console, change_path

USERS = "/admin/accounts/user/"


def later(**span: float) -> Any:
    return time_machine.travel(timezone.now() + timedelta(**span), tick=False)


def is_in(console: Console) -> bool:
    answer = console.get(USERS)
    assert answer.status_code in (200, 302)
    return bool(answer.status_code == 200)


def next_of(answer: Any) -> str:
    """Where the sign-in that an answer leads to goes on."""
    address = urlsplit(answer.headers["Location"])
    assert (address.netloc, address.path) == ("", "/admin/login/")
    return parse_qs(address.query)["next"][0]


@pytest.fixture
def second(admin: User, make_user: Callable[..., User]) -> Client:
    """Another admin, at the API."""
    make_user("second", role="admin")
    client = Client()
    client.sign_in("second")
    return client


class TestTime:
    def test_after_half_an_hour_without_a_click_it_is_over(self, operator: Console) -> None:
        with later(minutes=29):
            assert is_in(operator)
        with later(minutes=58):
            assert is_in(operator)
        with later(minutes=89):
            answer = operator.get(f"{USERS}?q=root")
            assert next_of(answer) == f"{USERS}?q=root"
        # Gone, not only away.
        assert not is_in(operator)

    def test_the_time_without_a_click_is_a_setting(self, admin: User, settings: Any) -> None:
        settings.AUTH_CONSOLE_IDLE_TTL = timedelta(minutes=5)
        console = Console()
        console.sign_in("root")
        with later(minutes=6):
            assert not is_in(console)

    def test_after_eight_hours_it_is_over_however_busy(self, operator: Console) -> None:
        for minutes in range(25, 8 * 60, 25):
            with later(minutes=minutes):
                # What Django keeps is written, too, and slides.
                session = operator.session
                session["note"] = minutes
                session.save()
                assert is_in(operator), minutes
        with later(minutes=8 * 60 + 1):
            assert not is_in(operator)

    def test_a_copied_cookie_dies_with_it(self, operator: Console) -> None:
        thief = Console()
        thief.cookies = operator.cookies
        assert is_in(thief)
        with later(minutes=31):
            assert not is_in(thief)

    def test_clicks_write_at_most_once_a_minute(self, operator: Console) -> None:
        def writes() -> list[str]:
            with CaptureQueriesContext(connection) as captured:
                operator.get(USERS)
            return [q["sql"] for q in captured if q["sql"].startswith(("UPDATE", "INSERT"))]

        assert writes() == []
        with later(seconds=61):
            assert len(writes()) == 1
            assert writes() == []

    def test_a_click_wakes_nothing_that_was_ended(self, operator: Console, admin: User) -> None:
        DeviceSession.objects.update(ended_at=timezone.now(), end_reason="ended_by_staff")
        with later(minutes=2):
            assert not is_in(operator)
        assert DeviceSession.objects.get().ended_at is not None

    def test_what_was_sent_too_late_leads_back_to_its_form(
        self, operator: Console, alice: User
    ) -> None:
        page = f"http://testserver{change_path(alice)}?tab=1"
        with later(minutes=31):
            path = f"{USERS}{alice.pk}/unlock/"
            answer = operator.post(path, headers={"referer": page})
            assert next_of(answer) == f"{change_path(alice)}?tab=1"
            shown = operator.get(answer.headers["Location"])
            assert operator.texts(shown) == ["You were signed out. Nothing was done."]

    @pytest.mark.parametrize(
        "referer",
        ["", "https://evil.example/admin/", "http://testserver/docs", "http://testserver//evil/"],
    )
    def test_and_nowhere_else(self, operator: Console, referer: str) -> None:
        with later(minutes=31):
            answer = operator.post("/admin/security/signingkey/rotate/", HTTP_REFERER=referer)
            assert next_of(answer) == "/admin/"

    @pytest.mark.parametrize(
        "onwards", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:1"]
    )
    def test_signing_in_leads_to_no_other_site(
        self, console: Console, admin: User, onwards: str
    ) -> None:
        sent = {"username": "root", "password": PASSWORD, "next": onwards}
        assert console.post("/admin/login/", sent).headers["Location"] == "/admin/"

    def test_expired_rows_are_pruned(self, operator: Console) -> None:
        assert Session.objects.count() == 1
        with later(hours=9):
            call_command("prune_sessions", "--json")
        assert Session.objects.count() == 0


class TestKey:
    def test_it_changes_at_sign_in_and_dies_at_sign_out(
        self, console: Console, admin: User
    ) -> None:
        name = settings.SESSION_COOKIE_NAME
        console.cookies[name] = planted = "a" * 32
        keys = [planted]
        for _ in range(2):
            # The second time while being signed in.
            console.sign_in("root")
            keys.append(console.cookies[name].value)
        assert len(set(keys)) == 3
        assert is_in(console)
        console.post("/admin/logout/")
        for key in keys:
            console.cookies[name] = key
            assert not is_in(console)

    def test_signing_in_anew_ends_the_sign_in_before(self, operator: Console) -> None:
        operator.sign_in("root")
        assert DeviceSession.objects.live().count() == 1
        assert DeviceSession.objects.get(end_reason="logout")

    def test_signing_out_is_in_the_trail(self, operator: Console, admin: User) -> None:
        session = DeviceSession.objects.get()
        signed_in = AuditEvent.objects.get(kind="login.succeeded")
        assert (signed_in.subject_id, signed_in.session_id) == (admin.pk, session.pk)
        assert signed_in.details == {"to": "console"}
        operator.post("/admin/logout/")
        event = AuditEvent.objects.get(kind="session.ended")
        assert (event.actor_id, event.session_id) == (admin.pk, session.pk)
        assert event.details == {"reason": "logout"}

    def test_who_may_not_enter_is_no_success_in_the_trail(
        self, console: Console, alice: User
    ) -> None:
        assert console.sign_in("alice").status_code == 200
        events = AuditEvent.objects.filter(subject_id=alice.pk)
        assert [event.kind for event in events] == ["login.failed"]
        assert not DeviceSession.objects.exists()


class TestEnd:
    def test_deactivated_and_not_revived(
        self, operator: Console, admin: User, second: Client
    ) -> None:
        assert second.patch(f"/users/{admin.pk}", {"is_active": False}).status_code == 200
        assert not is_in(operator)
        assert second.patch(f"/users/{admin.pk}", {"is_active": True}).status_code == 200
        assert not is_in(operator)

    def test_without_a_click_in_between(
        self, operator: Console, admin: User, make_user: Callable[..., User]
    ) -> None:
        make_user("second", role="admin")
        for active in (False, True):
            change_user(user=admin, changes={"is_active": active}, actor=None)
        assert not is_in(operator)

    def test_demoted_and_not_revived(
        self, operator: Console, admin: User, make_user: Callable[..., User]
    ) -> None:
        make_user("second", role="admin")
        for role in ("user", "admin"):
            change_user(user=admin, changes={"role": role}, actor=None)
        assert not is_in(operator)
        assert DeviceSession.objects.get().end_reason == "console_access_lost"

    def test_a_role_without_the_console(
        self,
        operator: Console,
        make_user: Callable[..., User],
        make_role: Callable[..., Role],
        second: Client,
    ) -> None:
        make_role("watcher", "accounts.view_user")
        make_user("watcher", role="watcher")
        watcher, api = Console(), Client()
        watcher.sign_in("watcher")
        api.sign_in("watcher")
        assert is_in(watcher)
        for access in (False, True):
            answer = second.patch("/roles/watcher", {"console_access": access})
            assert answer.status_code == 200
        assert not is_in(watcher)
        # Their API sessions and other people's sign-ins go on.
        assert api.get("/users/me").status_code == 200
        assert is_in(operator)

    def test_another_password_by_an_operator(self, operator: Console, second: Client) -> None:
        sent = {"username": "root", "new_password": "under seven green moons"}
        assert second.put("/users/update_password", sent).status_code == 200
        assert not is_in(operator)

    def test_another_password_by_its_owner(self, operator: Console, admin: User) -> None:
        phone = Client()
        phone.sign_in("root")
        sent = {"current_password": PASSWORD, "new_password": "under seven green moons"}
        assert phone.post("/users/me/password", sent).status_code == 200
        assert not is_in(operator)

    @pytest.mark.parametrize(
        ("method", "path"),
        [("post", "/auth/logout-all"), ("delete", "/sessions")],
    )
    def test_everywhere_else_signed_out_by_its_owner(
        self, operator: Console, method: str, path: str
    ) -> None:
        phone = Client()
        phone.sign_in("root")
        answer = getattr(phone, method)(path)
        assert answer.status_code == 200, answer.content
        assert not is_in(operator)

    def test_its_owner_sees_and_ends_it(self, operator: Console) -> None:
        phone = Client()
        phone.sign_in("root")
        [session] = [
            session
            for session in phone.get("/sessions").json()
            if session["device"].endswith("(console)")
        ]
        assert phone.delete(f"/sessions/{session['id']}").status_code in (200, 204)
        assert not is_in(operator)

    def test_all_sessions_of_a_user_by_an_operator(
        self, operator: Console, admin: User, second: Client
    ) -> None:
        assert second.delete(f"/users/{admin.pk}/sessions").json() == {"revoked": 1}
        assert not is_in(operator)

    def test_all_sessions_of_a_user_in_the_console(
        self, operator: Console, admin: User, make_user: Callable[..., User]
    ) -> None:
        make_user("second", role="admin")
        other = Console()
        other.sign_in("second")
        phone = Client()
        phone.sign_in("root")
        session = DeviceSession.objects.get(user=admin, is_console=False)
        chosen = {"action": "end_all_of_user", "_selected_action": [str(session.pk)]}
        other.post("/admin/sessions_app/devicesession/", chosen)
        assert not is_in(operator)
        assert is_in(other)

    @pytest.mark.parametrize("arguments", [["--user", "root"], ["--all"], ["--ip", "127.0.0.1"]])
    def test_by_command(self, operator: Console, arguments: list[str]) -> None:
        call_command("revoke_sessions", *arguments)
        assert not is_in(operator)

    @pytest.mark.parametrize("engine", ["db", "cache", "cached_db", "signed_cookies"])
    def test_however_django_keeps_its_own(
        self, admin: User, second: Client, settings: Any, engine: str
    ) -> None:
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
        console = Console()
        console.sign_in("root")
        assert is_in(console)
        copied = console.cookies.copy()
        second.delete(f"/users/{admin.pk}/sessions")
        assert not is_in(console)
        console.sign_in("root")
        assert is_in(console)
        console.cookies = copied
        assert not is_in(console)

    def test_a_deleted_user(
        self, operator: Console, admin: User, make_user: Callable[..., User]
    ) -> None:
        make_user("second", role="admin")
        delete_user(user=admin, actor=None)
        assert not is_in(operator)

    def test_the_docs_for_staff_close_with_it(self, operator: Console, settings: Any) -> None:
        settings.AUTH_DOCS = "staff"
        assert operator.get("/docs").status_code == 200
        call_command("revoke_sessions", "--all")
        assert operator.get("/docs").status_code == 404

    def test_a_session_of_the_api_opens_no_console(self, operator: Console, admin: User) -> None:
        phone = Client()
        phone.sign_in("root")
        kept = operator.session
        kept["sid"] = str(DeviceSession.objects.get(is_console=False).pk)
        kept.save()
        assert not is_in(operator)

    def test_nor_does_another_users(
        self, operator: Console, admin: User, make_user: Callable[..., User]
    ) -> None:
        make_user("second", role="admin")
        other = Console()
        other.sign_in("second")
        kept = operator.session
        kept["sid"] = str(DeviceSession.objects.get(user__username="second").pk)
        kept.save()
        assert not is_in(operator)


@pytest.mark.parametrize(
    "change",
    [{"is_active": False}, {"role_id": "user"}, {"password": "another"}],
)
def test_what_happens_while_the_password_is_checked_counts(
    admin: User, change: dict[str, Any]
) -> None:
    checked = User.objects.get(pk=admin.pk)
    User.objects.filter(pk=admin.pk).update(**change)
    assert sign_in_to_console(user=checked, client=ClientInfo()) is None
    assert not DeviceSession.objects.exists()


def test_a_new_device_at_the_console_is_told_by_mail(operator: Console, admin: User) -> None:
    assert not OutgoingMail.objects.exists()
    elsewhere = Console(REMOTE_ADDR="198.51.100.7")
    elsewhere.sign_in("root")
    assert OutgoingMail.objects.count() == 1
    again = Console(REMOTE_ADDR="198.51.100.7")
    again.sign_in("root")
    assert OutgoingMail.objects.count() == 1


def test_a_sign_in_to_the_console_counts_for_the_limit_of_sessions(
    operator: Console, settings: Any
) -> None:
    settings.AUTH_SESSION_LIMIT = 1
    phone = Client()
    phone.sign_in("root")
    assert not is_in(operator)
    operator.sign_in("root")
    assert is_in(operator)
    assert phone.get("/users/me").status_code == 401
