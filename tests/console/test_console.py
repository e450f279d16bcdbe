"""The console: who gets in, what it shows, what it changes and what it refuses."""

# ruff: noqa: RUF001 - look-alike letters are the point of some tests

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin as django_admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.admin.users import UserAdmin
from accounts.models import ApiKey, Role, User
from accounts.services import login
from security.audit import Kind, record
from security.errors import GrantTooWide, TooBusy
from security.models import AuditEvent, SigningKey
from sessions_app.models import DeviceSession
from tests.client import Client, assert_problem
from tests.console.conftest import Console, change_path

SCRIPT = "<script>alert(1)</script>"
REFUSED = "This e-mail or username and password don&#x27;t open the console."
# What ordinary users may do.
USERS_OWN = ("accounts.view_site", "accounts.view_violation")
LISTS = [
    "/admin/accounts/user/",
    "/admin/accounts/role/",
    "/admin/sessions_app/devicesession/",
    "/admin/security/signingkey/",
    "/admin/security/auditevent/",
    "/admin/accounts/outgoingmail/",
]


def every_page() -> list[str]:
    """Index, every list and the page of every row."""
    paths = ["/admin/", "/admin/accounts/", "/admin/security/", "/admin/sessions_app/", *LISTS]
    for model in django_admin.site._registry:
        paths += [change_path(row) for row in model._default_manager.all()]
    return paths


def end_sessions(console: Console, action: str, *sessions: DeviceSession) -> Any:
    chosen = {"action": action, "_selected_action": [str(session.pk) for session in sessions]}
    return console.post("/admin/sessions_app/devicesession/", chosen, follow=True)


class TestSignIn:
    @pytest.mark.parametrize(
        "identifier", ["root", "ROOT", "root@example.com", "Root@Example.COM", " root ", "ｒｏｏｔ"]
    )
    def test_by_email_or_username_in_any_case(
        self, console: Console, admin: User, identifier: str
    ) -> None:
        answer = console.sign_in(identifier)
        assert answer.status_code == 302
        assert answer.headers["Location"] == "/admin/"
        assert "Log out" in console.html("/admin/")

    def test_all_who_are_refused_see_the_same_page(
        self, console: Console, alice: User, admin: User, make_user: Callable[..., User]
    ) -> None:
        make_user("gone", role="admin", is_active=False)
        attempts = [("alice", None), ("gone", None), ("root", "wrong"), ("nobody", "wrong")]
        pages = set()
        for identifier, password in attempts:
            answer = console.sign_in(identifier, *([password] if password else []))
            assert answer.status_code == 200
            page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", answer.content.decode())
            pages.add(page.replace(f'value="{identifier}"', ""))
        assert len(pages) == 1
        assert REFUSED in pages.pop()
        assert console.get("/admin/").status_code == 302

    @pytest.mark.parametrize("identifier", ["", "\x00", "x" * 100_000, "a@b@c"])
    def test_nonsense_is_refused(self, console: Console, admin: User, identifier: str) -> None:
        assert console.sign_in(identifier).status_code == 200

    def test_a_busy_hasher_is_a_message(
        self, console: Console, admin: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def busy(*_: Any, **__: Any) -> bool:
            raise TooBusy

        monkeypatch.setattr(login, "check_password", busy)
        answer = console.sign_in("root")
        assert answer.status_code == 200
        assert TooBusy.detail in answer.content.decode()

    def test_the_cookie_is_kept_from_scripts_and_other_sites(
        self, console: Console, admin: User
    ) -> None:
        console.get("/admin/login/")
        planted = "a" * 32
        console.cookies[settings.SESSION_COOKIE_NAME] = planted
        token = console.cookies["csrftoken"].value
        console.sign_in("root")
        cookie = console.cookies[settings.SESSION_COOKIE_NAME]
        assert cookie.value != planted
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        assert console.cookies["csrftoken"].value != token
        first = cookie.value
        console.post("/admin/logout/")
        console.cookies[settings.SESSION_COOKIE_NAME] = first
        assert console.get("/admin/").status_code == 302
        console.sign_in("root")
        assert console.cookies[settings.SESSION_COOKIE_NAME].value != first

    def test_the_address_without_slash_leads_in(self, console: Console) -> None:
        assert console.get("/admin").headers["Location"] == "/admin/"

    def test_a_deactivated_admin_is_out(
        self, operator: Console, admin: User, make_user: Callable[..., User]
    ) -> None:
        make_user("second", role="admin")
        other = Console()
        other.sign_in("second")
        other.save_user(admin, is_active=False)
        answer = operator.get("/admin/")
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/admin/login/")

    def test_a_demoted_admin_is_out(
        self, operator: Console, admin: User, make_user: Callable[..., User]
    ) -> None:
        make_user("second", role="admin")
        other = Console()
        other.sign_in("second")
        other.save_user(admin, role="user")
        assert operator.get("/admin/accounts/user/").status_code == 302

    def test_nobody_else_gets_a_page(self, console: Console, admin: User) -> None:
        for path in every_page():
            answer = console.get(path)
            assert answer.status_code == 302, path
            assert answer.headers["Location"].startswith("/admin/login/")


class TestPages:
    def test_every_page_answers_without_secrets(
        self, operator: Console, client: Client, alice: User
    ) -> None:
        client.sign_in("alice")
        client.post("/auth/login", {"username": "alice", "password": "wrong"})
        secrets = {user.password for user in User.objects.all()}
        secrets |= {key.sealed_private_key for key in SigningKey.objects.all()}
        secrets |= {session.refresh_jti for session in DeviceSession.objects.all()}
        secrets |= {"argon2", "sealed_private_key", "Sealed private key", "refresh_jti"}
        pages = every_page()
        assert len(pages) > len(LISTS) + 12
        for path in pages:
            html = operator.html(path)
            found = [secret for secret in secrets if secret and secret in html]
            assert not found, path

    def test_every_page_has_language_title_and_strict_policy(self, operator: Console) -> None:
        for path in [*every_page(), "/docs", "/docs/errors"]:
            answer = operator.get(path)
            html = answer.content.decode()
            assert re.search(r'<html lang="en"', html), path
            assert re.search(r"<title>\s*\S", html), path
            assert "unsafe" not in answer.headers["Content-Security-Policy"], path
            assert " style=" not in html, path
            assert "<style" not in html, path
            assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", html), path

    def test_redoc_needs_no_unsafe_styles(self, console: Console) -> None:
        assert "unsafe" not in console.get("/redoc").headers["Content-Security-Policy"]

    def test_pages_we_replaced_are_gone(self, operator: Console) -> None:
        for path in (
            "auth/group/",
            "auth/user/",
            "token_blacklist/outstandingtoken/",
            "token_blacklist/blacklistedtoken/",
            "password_change/",
        ):
            answer = operator.get(f"/admin/{path}")
            assert answer.status_code == 404, path
            assert answer.headers["Content-Type"].startswith("text/html")

    def test_a_fault_shows_nothing_of_the_inside(
        self, operator: Console, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any) -> None:
            raise RuntimeError("inside")

        monkeypatch.setattr(UserAdmin, "get_queryset", fail)
        answer = operator.get("/admin/accounts/user/")
        html = answer.content.decode()
        assert answer.status_code == 500
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "inside" not in html
        assert "<style" not in html

    def test_markup_is_escaped(self, operator: Console, alice: User) -> None:
        User.objects.filter(pk=alice.pk).update(username=SCRIPT, first_name=SCRIPT, tier=SCRIPT)
        api = Client(user_agent=SCRIPT)
        api.sign_in("alice@example.com")
        DeviceSession.objects.update(device=SCRIPT)
        record(Kind.USER_CHANGED, subject=alice, note=SCRIPT, after={"username": SCRIPT})
        escaped = 0
        for path in [*every_page(), f"/admin/accounts/user/?q={SCRIPT}"]:
            html = operator.html(path)
            assert SCRIPT not in html, path
            escaped += "&lt;script&gt;" in html
        assert escaped >= 6

    def test_sessions_are_found_and_filtered(
        self, operator: Console, client: Client, alice: User, bob: User
    ) -> None:
        client.sign_in("alice")
        session = DeviceSession.objects.get(user=alice)
        base = "/admin/sessions_app/devicesession/"
        found = ["q=alice", "q=127.0.0.1", "state=live", f"user__id__exact={alice.pk}"]
        missed = ["q=bob", "q=10.0.0.1", "state=over", f"user__id__exact={bob.pk}"]
        for query in found:
            assert change_path(session) in operator.html(f"{base}?{query}"), query
        for query in missed:
            assert change_path(session) not in operator.html(f"{base}?{query}"), query
        client.post("/auth/logout")
        for query in ("state=over", "end_reason=logout"):
            assert change_path(session) in operator.html(f"{base}?{query}"), query
        for query in ("state=live", "end_reason=deactivated"):
            assert change_path(session) not in operator.html(f"{base}?{query}"), query

    def test_the_trail_is_searched_by_id(
        self, operator: Console, client: Client, alice: User, bob: User
    ) -> None:
        client.sign_in("alice")
        event = AuditEvent.objects.get(subject_id=alice.pk)
        base = "/admin/security/auditevent/"
        for query in (f"q={alice.pk}", f"q={event.request_id}", "kind=login.succeeded"):
            assert change_path(event) in operator.html(f"{base}?{query}"), query
        for query in (f"q={bob.pk}", "q=alice", "kind=key.revoked"):
            assert change_path(event) not in operator.html(f"{base}?{query}"), query

    @pytest.mark.parametrize("path", LISTS)
    def test_a_longer_list_needs_no_more_queries(
        self, operator: Console, client: Client, make_user: Callable[..., User], path: str
    ) -> None:
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                operator.html(path)
            return len(captured)

        make_user("first")
        client.sign_in("first")
        before = queries()
        for number in range(5):
            make_user(f"more{number}")
            client.sign_in(f"more{number}")
        assert queries() == before


class TestEndingSessions:
    def test_one_session(self, operator: Console, client: Client, alice: User, admin: User) -> None:
        client.sign_in("alice")
        phone = Client()
        phone.sign_in("alice")
        first = DeviceSession.objects.filter(user=alice).order_by("created_at")[0]
        answer = end_sessions(operator, "end_selected", first)
        assert operator.texts(answer) == ["Sessions ended: 1."]
        assert_problem(client.get("/users/me"), 401, "session_ended")
        assert phone.get("/users/me").status_code == 200
        event = AuditEvent.objects.get(kind="session.ended")
        assert (event.actor_id, event.subject_id) == (admin.pk, alice.pk)
        assert event.details == {"reason": "ended_by_staff"}

    def test_all_of_a_user(self, operator: Console, client: Client, alice: User, bob: User) -> None:
        client.sign_in("alice")
        phone, other = Client(), Client()
        phone.sign_in("alice")
        other.sign_in("bob")
        one = DeviceSession.objects.filter(user=alice)[0]
        end_sessions(operator, "end_all_of_user", one)
        assert_problem(client.get("/users/me"), 401, "session_ended")
        assert_problem(phone.get("/users/me"), 401, "session_ended")
        assert other.get("/users/me").status_code == 200

    def test_needs_its_permission(
        self,
        console: Console,
        client: Client,
        alice: User,
        make_user: Callable[..., User],
        make_role: Callable[..., Role],
    ) -> None:
        make_role("watcher", "sessions_app.view_devicesession")
        make_user("watcher", role="watcher")
        console.sign_in("watcher")
        client.sign_in("alice")
        session = DeviceSession.objects.get(user=alice)
        assert change_path(session) in console.html("/admin/sessions_app/devicesession/")
        for action in ("end_selected", "end_all_of_user"):
            end_sessions(console, action, session)
        assert client.get("/users/me").status_code == 200

    @pytest.mark.parametrize("action", ["end_selected", "end_all_of_user"])
    def test_nobody_ends_those_of_who_may_do_more(
        self,
        console: Console,
        client: Client,
        alice: User,
        admin: User,
        make_user: Callable[..., User],
        make_role: Callable[..., Role],
        action: str,
    ) -> None:
        own = [f"sessions_app.{verb}_devicesession" for verb in ("view", "delete")]
        make_role("keeper", *own, *USERS_OWN)
        make_user("keeper", role="keeper")
        console.sign_in("keeper")
        root = Client()
        root.sign_in("root")
        client.sign_in("alice")
        roots, alices = (DeviceSession.objects.get(user=user) for user in (admin, alice))
        answer = end_sessions(console, action, roots)
        assert console.texts(answer) == [GrantTooWide.detail]
        assert root.get("/users/me").status_code == 200
        assert not AuditEvent.objects.filter(kind="session.ended").exists()
        answer = end_sessions(console, action, roots, alices)
        assert console.texts(answer) == [GrantTooWide.detail, "Sessions ended: 1."]
        assert root.get("/users/me").status_code == 200
        assert_problem(client.get("/users/me"), 401, "session_ended")


class TestRevokingKeys:
    def test_nobody_revokes_those_of_who_may_do_more(
        self,
        console: Console,
        alice: User,
        admin: User,
        make_user: Callable[..., User],
        make_role: Callable[..., Role],
    ) -> None:
        make_role("keeper", "accounts.view_apikey", "accounts.delete_apikey", *USERS_OWN)
        make_user("keeper", role="keeper")
        console.sign_in("keeper")
        keys = {name: Client() for name in ("root", "alice")}
        for name, holder in keys.items():
            holder.sign_in(name)
            holder.access_token = holder.post("/api-keys", {"name": "script"}).json()["key"]
            assert holder.get("/users/me").status_code == 200

        def revoke(*users: User) -> list[str]:
            chosen = [str(ApiKey.objects.get(user=user).pk) for user in users]
            sent = {"action": "revoke", "_selected_action": chosen}
            return console.texts(console.post("/admin/accounts/apikey/", sent, follow=True))

        assert revoke(admin) == [GrantTooWide.detail]
        assert keys["root"].get("/users/me").status_code == 200
        assert not AuditEvent.objects.filter(kind="api_key.revoked").exists()
        told = [GrantTooWide.detail, "The keys are refused from now on."]
        assert revoke(admin, alice) == told
        assert keys["root"].get("/users/me").status_code == 200
        assert keys["alice"].get("/users/me").status_code == 401


class TestRotatingKeys:
    def test_the_button_lets_the_next_key_sign(self, operator: Console, admin: User) -> None:
        upcoming = SigningKey.objects.get(state="next").kid
        assert 'action="/admin/security/signingkey/rotate/"' in operator.html(LISTS[3])
        answer = operator.post("/admin/security/signingkey/rotate/", follow=True)
        assert operator.texts(answer) == [f"Key {upcoming} signs from now on."]
        assert SigningKey.objects.get(state="current").kid == upcoming
        assert AuditEvent.objects.get(kind="key.rotated").actor_id == admin.pk
        again = operator.post("/admin/security/signingkey/rotate/", follow=True)
        assert operator.texts(again)[0].startswith("Nothing was rotated")
        assert SigningKey.objects.get(state="current").kid == upcoming

    def test_needs_post_permission_and_this_site(
        self,
        operator: Console,
        admin: User,
        make_user: Callable[..., User],
        make_role: Callable[..., Role],
    ) -> None:
        path = "/admin/security/signingkey/rotate/"
        current = SigningKey.objects.get(state="current").kid
        assert operator.get(path).status_code == 405

        make_role("watcher", "security.view_signingkey")
        make_user("watcher", role="watcher")
        watcher = Console()
        watcher.sign_in("watcher")
        assert "Rotate keys" not in watcher.html(LISTS[3])
        refused = watcher.post(path)
        assert refused.status_code == 403
        assert refused.headers["Content-Type"].startswith("text/html")

        elsewhere = Console(enforce_csrf_checks=True)
        elsewhere.force_login(admin)
        forged = elsewhere.post(path)
        assert forged.status_code == 403
        assert "<style" not in forged.content.decode()

        assert Console().post(path).status_code == 302
        assert SigningKey.objects.get(state="current").kid == current


class TestReadOnlyPages:
    def test_forged_posts_change_nothing(
        self, operator: Console, client: Client, alice: User
    ) -> None:
        client.sign_in("alice")
        for model in (DeviceSession, SigningKey, AuditEvent):
            rows = model._default_manager
            before = list(rows.order_by("pk").values())
            row = rows.all()[0]
            names = [field.name for field in model._meta.concrete_fields]
            forged = dict.fromkeys(names, "1") | {"post": "yes"}
            add = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
            for path in (add, change_path(row), change_path(row, "delete")):
                assert operator.post(path, forged).status_code == 403, path
            chosen = {"action": "delete_selected", "_selected_action": str(row.pk), "post": "yes"}
            operator.post(add.replace("add/", ""), chosen)
            assert list(rows.order_by("pk").values()) == before

    def test_a_role_that_may_only_look_at_users(
        self,
        console: Console,
        client: Client,
        alice: User,
        make_user: Callable[..., User],
        make_role: Callable[..., Role],
    ) -> None:
        client.sign_in("alice")
        make_role("watcher", "accounts.view_user")
        make_user("watcher", role="watcher")
        console.sign_in("watcher")
        index = console.html("/admin/")
        assert "/admin/accounts/user/" in index
        for path in LISTS[1:]:
            assert path not in index
            assert console.get(path).status_code == 403, path
        for app in ("security", "sessions_app"):
            assert console.get(f"/admin/{app}/").status_code == 404
        page = console.html(change_path(alice))
        assert "alice@example.com" in page
        assert alice.password not in page
        assert 'name="_save"' not in page
        assert "/admin/sessions_app/" not in page
        assert "/admin/security/" not in page
        refused = console.post(change_path(alice), {"role": "admin", "tier": "free"})
        assert refused.status_code == 403
        assert refused.headers["Content-Type"].startswith("text/html")
        assert User.objects.get(pk=alice.pk).role_id == "user"


@pytest.mark.parametrize(
    "query",
    [
        "accounts/user/?password__startswith=argon2",
        "accounts/user/?first_name__regex=(",
        "security/signingkey/?sealed_private_key__startswith=g",
        "sessions_app/devicesession/?refresh_jti__startswith=a",
        "security/auditevent/?ip_address=zz",
        "accounts/apikey/?digest__startswith=a",
        "accounts/outgoingmail/?body__startswith=g",
    ],
)
def test_a_list_can_be_filtered_only_as_it_offers(operator: Console, query: str) -> None:
    assert operator.get(f"/admin/{query}").status_code == 400


def test_what_a_page_cannot_hold_is_no_error_of_ours(operator: Console) -> None:
    assert operator.get("/admin/r/1/1/").status_code == 404
    for path in ("accounts/user/?role__exact=", "security/auditevent/?kind="):
        assert operator.get(f"/admin/{path}%00").status_code == 400
