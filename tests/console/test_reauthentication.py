"""What can do harm waits for a fresh proof of the operator's password."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.conf import settings as django_settings
from django.contrib.admin import site
from django.utils import timezone

from accounts.hashers import Argon2idHasher
from accounts.models import ApiKey, Role, User
from security.errors import TooBusy
from security.models import AuditEvent, SigningKey
from security.rates import parse_rates
from sessions_app.models import DeviceSession
from tests.client import PASSWORD, Client
from tests.console.conftest import Console, change_path

CONFIRM = "/admin/login/confirm/"
ROTATE = "/admin/security/signingkey/rotate/"
SESSIONS = "/admin/sessions_app/devicesession/"
WRONG = "This is not your password."
NOTHING_DONE = "Nothing was done. Confirm your password, then do it again."


def later(**span: float) -> Any:
    return time_machine.travel(timezone.now() + timedelta(**span), tick=False)


@pytest.fixture
def stale(operator: Console) -> Iterator[Console]:
    """An operator whose last proof is six minutes old."""
    with later(minutes=6):
        yield operator


def confirm(console: Console, password: str = PASSWORD, onwards: str = "/admin/") -> Any:
    return console.post(CONFIRM, {"password": password, "next": onwards})


def asked(answer: Any) -> str:
    """The page that comes after the confirmation that an answer leads to."""
    assert answer.status_code == 302, answer.status_code
    address = urlsplit(answer.headers["Location"])
    assert (address.netloc, address.path) == ("", CONFIRM)
    return parse_qs(address.query)["next"][0]


def errors(answer: Any) -> str:
    assert answer.status_code == 200, answer.status_code
    return " ".join(answer.context["form"].errors.get("password", []))


class TestWhatWaits:
    def test_deleting_a_user(self, stale: Console, alice: User) -> None:
        path = change_path(alice, "delete")
        assert asked(stale.get(path)) == path
        answer = stale.post(path, {"post": "yes"}, headers={"referer": f"http://testserver{path}"})
        assert asked(answer) == path
        page = stale.get(answer.headers["Location"])
        assert stale.texts(page) == [NOTHING_DONE]
        assert User.objects.filter(pk=alice.pk).exists()
        assert confirm(stale, onwards=path).headers["Location"] == path
        assert stale.post(path, {"post": "yes"}).status_code == 302
        assert not User.objects.filter(pk=alice.pk).exists()

    @pytest.mark.parametrize("model", ["user", "role"])
    def test_a_form_to_add_is_not_shown_before(self, stale: Console, model: str) -> None:
        path = f"/admin/accounts/{model}/add/"
        assert asked(stale.get(path)) == path
        confirm(stale)
        assert stale.get(path).status_code == 200

    def test_a_new_user_sent_too_late(self, operator: Console) -> None:
        path = "/admin/accounts/user/add/"
        sent = {"kind": "person", "username": "carol", "role": "admin", "tier": "free"}
        sent["password"] = "under seven green moons"
        with later(minutes=6):
            answer = operator.post(path, sent)
            assert not User.objects.filter(username="carol").exists()
            html = answer.content.decode()
            assert 'value="carol"' in html
            assert sent["password"] not in html
            [text] = operator.texts(answer)
            assert text.startswith("Nothing was changed.")
            # A link, not its markup.
            assert f'<a href="{CONFIRM}?next=' in html
            confirm(operator)
            operator.post(path, sent)
        assert User.objects.get(username="carol").role_id == "admin"

    def test_a_new_user_who_may_nothing(self, stale: Console) -> None:
        sent = {"kind": "person", "username": "carol", "role": "user", "tier": "free"}
        stale.post("/admin/accounts/user/add/", sent)
        assert not User.objects.filter(username="carol").exists()

    @pytest.mark.parametrize(
        "change",
        [
            {"role": "admin"},
            {"new_password": "under seven green moons"},
            {"email": "mallory@example.com"},
            {"is_active": False},
        ],
    )
    def test_what_gives_an_account_away(
        self, stale: Console, alice: User, change: dict[str, Any]
    ) -> None:
        before = User.objects.filter(pk=alice.pk).values().get()
        answer = stale.save_user(alice, **change)
        [text] = stale.texts(answer)
        assert text.startswith("Nothing was changed.")
        assert User.objects.filter(pk=alice.pk).values().get() == before
        confirm(stale)
        stale.save_user(alice, **change)
        assert User.objects.filter(pk=alice.pk).values().get() != before

    def test_a_name_does_not_wait(self, stale: Console, alice: User) -> None:
        stale.save_user(alice, first_name="Alicia", tier="premium")
        alice.refresh_from_db()
        assert (alice.first_name, alice.tier) == ("Alicia", "premium")

    def test_a_role(self, stale: Console, make_role: Callable[..., Role]) -> None:
        role = make_role("watcher", "accounts.view_user")
        answer = stale.save(change_path(role), quota=7)
        assert stale.texts(answer)[0].startswith("Nothing was changed.")
        assert Role.objects.get(pk="watcher").quota != 7
        path = change_path(role, "delete")
        assert asked(stale.get(path)) == path
        asked(stale.post(path, {"post": "yes"}))
        assert Role.objects.filter(pk="watcher").exists()

    def test_rotating_keys(self, stale: Console) -> None:
        page = "http://testserver/admin/security/signingkey/"
        current = SigningKey.objects.get(state="current").kid
        answer = stale.post(ROTATE, headers={"referer": page})
        assert asked(answer) == "/admin/security/signingkey/"
        assert SigningKey.objects.get(state="current").kid == current
        confirm(stale)
        stale.post(ROTATE)
        assert SigningKey.objects.get(state="current").kid != current

    @pytest.mark.parametrize("action", ["end_selected", "end_all_of_user"])
    def test_ending_sessions(self, stale: Console, alice: User, action: str) -> None:
        phone = Client()
        phone.sign_in("alice")
        session = DeviceSession.objects.get(user=alice)
        chosen = {"action": action, "_selected_action": [str(session.pk)]}
        asked(stale.post(f"{SESSIONS}?state=live", chosen))
        assert phone.get("/users/me").status_code == 200
        confirm(stale)
        stale.post(SESSIONS, chosen)
        assert phone.get("/users/me").status_code == 401

    def test_revoking_api_keys(self, stale: Console, alice: User) -> None:
        phone = Client()
        phone.sign_in("alice")
        assert phone.post("/api-keys", {"name": "ci", "scopes": []}).status_code == 201
        key = ApiKey.objects.get()
        chosen = {"action": "revoke", "_selected_action": [str(key.pk)]}
        asked(stale.post("/admin/accounts/apikey/", chosen))
        assert ApiKey.objects.get().is_live()
        confirm(stale)
        stale.post("/admin/accounts/apikey/", chosen)
        assert not ApiKey.objects.get().is_live()

    def test_unlocking(self, stale: Console, alice: User) -> None:
        page = f"http://testserver{change_path(alice)}"
        path = f"/admin/accounts/user/{alice.pk}/unlock/"
        assert asked(stale.post(path, headers={"referer": page})) == change_path(alice)

    def test_looking_does_not_wait(self, stale: Console, alice: User) -> None:
        for path in ("/admin/", "/admin/accounts/user/", change_path(alice), SESSIONS):
            assert stale.get(path).status_code == 200, path

    def test_a_proof_lasts_a_minute_at_least(
        self, operator: Console, alice: User, settings: Any
    ) -> None:
        settings.AUTH_REAUTHENTICATION_TTL = timedelta(0)
        path = change_path(alice, "delete")
        assert operator.get(path).status_code == 200
        with later(seconds=61):
            asked(operator.get(path))

    def test_each_browser_has_its_own_proof(self, stale: Console, alice: User) -> None:
        other = Console()
        other.sign_in("root")
        path = change_path(alice, "delete")
        assert other.get(path).status_code == 200
        asked(stale.get(path))


class TestConfirming:
    def test_asks_who_is_signed_in_and_nobody_else(self, console: Console, stale: Console) -> None:
        html = stale.html(f"{CONFIRM}?next=/admin/")
        assert "Log out" in html
        assert "<strong>root</strong>" in html
        stranger = Console()
        for answer in (stranger.get(CONFIRM), stranger.post(CONFIRM, {"password": PASSWORD})):
            assert answer.status_code == 302
            assert answer.headers["Location"].startswith("/admin/login/?next=")

    def test_changes_the_key_of_the_session_and_is_in_the_trail(
        self, stale: Console, admin: User
    ) -> None:
        name = django_settings.SESSION_COOKIE_NAME
        before = stale.cookies[name].value
        confirm(stale)
        assert stale.cookies[name].value != before
        assert stale.get("/admin/").status_code == 200
        event = AuditEvent.objects.get(kind="password.confirmed")
        assert (event.actor_id, event.subject_id) == (admin.pk, admin.pk)
        old = Console()
        old.cookies[name] = before
        assert old.get("/admin/").status_code == 302

    def test_a_wrong_password_is_told_and_in_the_trail(self, stale: Console, admin: User) -> None:
        answer = confirm(stale, "wrong")
        assert errors(answer) == WRONG
        assert 'value="wrong"' not in answer.content.decode()
        event = AuditEvent.objects.get(kind="reauthentication.failed")
        assert (event.actor_id, event.subject_id) == (admin.pk, admin.pk)
        asked(stale.get("/admin/accounts/user/add/"))

    def test_nothing_is_no_password(self, stale: Console) -> None:
        assert errors(confirm(stale, "")) == "This field is required."

    def test_a_password_hashed_anew_signs_nobody_out(
        self, stale: Console, admin: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Argon2idHasher, "time_cost", 2)
        confirm(stale)
        assert User.objects.get(pk=admin.pk).password != admin.password
        assert stale.get("/admin/").status_code == 200

    @pytest.mark.parametrize(
        "onwards", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:1"]
    )
    def test_leads_to_no_other_site(self, stale: Console, onwards: str) -> None:
        page = stale.get(CONFIRM, {"next": onwards})
        assert page.context["next"] == "/admin/"
        assert confirm(stale, onwards=onwards).headers["Location"] == "/admin/"

    def test_a_busy_hasher_is_a_message(
        self, stale: Console, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def busy(*_: Any) -> bool:
            raise TooBusy

        monkeypatch.setattr(User, "check_password", busy)
        assert TooBusy.detail in errors(confirm(stale))


class TestGuessing:
    @pytest.fixture(autouse=True)
    def limits_on(self, limits_on: None, settings: Any) -> None:
        wide = {name: parse_rates("1000/m") for name in ("login", "login_device", "login_address")}
        settings.AUTH_LIMIT_RATES = settings.AUTH_LIMIT_RATES | wide

    @pytest.fixture
    def thief(self, operator: Console) -> Console:
        """Who has the cookie of the console, and nothing else."""
        name = django_settings.SESSION_COOKIE_NAME
        thief = Console(raise_request_exception=False)
        thief.cookies[name] = operator.cookies[name].value
        return thief

    def test_a_stolen_cookie_does_not_open_the_password(
        self, thief: Console, operator: Console
    ) -> None:
        for _ in range(5):
            assert errors(confirm(thief, "wrong")) == WRONG
        assert "Too many failed sign-ins" in errors(confirm(thief))
        assert AuditEvent.objects.filter(kind="login.locked").exists()
        # Its owner's browser is spared, and so is the front door.
        assert confirm(operator).status_code == 302
        assert Console().sign_in("root").status_code == 302

    def test_it_counts_for_the_limit_of_signing_in(self, thief: Console, settings: Any) -> None:
        settings.AUTH_LIMIT_RATES = settings.AUTH_LIMIT_RATES | {"login_device": parse_rates("1/m")}
        assert errors(confirm(thief, "wrong")) == WRONG
        assert "Too many requests" in errors(confirm(thief))


# What does no harm that can't be undone at once.
WITHOUT_PROOF = {"sites", "send_again", "remove"}


def test_every_page_that_writes_waits_for_a_proof_or_is_named_here() -> None:
    free: set[str] = set()
    for model, page in site._registry.items():
        verbs = getattr(page, "verbs", ())
        if verbs and not page.dangerous_fields:
            free.add(str(model._meta.verbose_name_plural))
        for name in page.actions or ():
            if not hasattr(getattr(page, name), "waits_for_proof"):
                free.add(name)
    assert free == WITHOUT_PROOF
