"""Users at the console: found, added, changed and deleted, and given passwords."""

# ruff: noqa: RUF001 - look-alike letters are the point of some tests

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import OutgoingMail, Role, User
from security.errors import GrantTooWide
from security.models import AuditEvent
from tests.client import Client, assert_problem
from tests.console.conftest import Console, change_path


def test_users_are_found_in_any_case(operator: Console, alice: User, bob: User) -> None:
    for words in ("ALICE", "Alice@EXAM", "alice@example.com", "ａｌｉｃｅ"):
        html = operator.html(f"/admin/accounts/user/?q={words}")
        assert change_path(alice) in html, words
        assert change_path(bob) not in html, words


@pytest.mark.parametrize("query", ["role__name__exact=admin", "is_active__exact=0", "tier=premium"])
def test_users_are_filtered(operator: Console, alice: User, query: str) -> None:
    assert change_path(alice) not in operator.html(f"/admin/accounts/user/?{query}")
    User.objects.filter(pk=alice.pk).update(role="admin", is_active=False, tier="premium")
    assert change_path(alice) in operator.html(f"/admin/accounts/user/?{query}")


def test_a_role_counts_at_once_for_tokens_already_issued(
    operator: Console, client: Client, alice: User, admin: User
) -> None:
    client.sign_in("alice")
    assert client.get("/users/me").json()["role"] == "user"
    answer = operator.save_user(alice, role="admin")
    assert answer.status_code == 200
    assert client.get("/users/me").json()["is_admin"] is True
    event = AuditEvent.objects.get(kind="user.changed")
    assert (event.actor_id, event.subject_id) == (admin.pk, alice.pk)
    assert event.details == {"before": {"role": "user"}, "after": {"role": "admin"}}
    assert event.ip_address == "127.0.0.1"


def test_deactivation_ends_sessions_at_once(
    operator: Console, client: Client, alice: User, admin: User
) -> None:
    client.sign_in("alice")
    assert client.get("/users/me").status_code == 200
    operator.save_user(alice, is_active=False)
    assert_problem(client.get("/users/me"), 401, "session_ended")
    assert AuditEvent.objects.get(kind="user.deactivated").actor_id == admin.pk
    assert AuditEvent.objects.get(kind="session.ended").actor_id == admin.pk
    operator.save_user(User.objects.get(pk=alice.pk), is_active="on")
    assert AuditEvent.objects.get(kind="user.activated").actor_id == admin.pk
    assert_problem(client.get("/users/me"), 401, "session_ended")
    client.sign_in("alice")


def test_names_and_tier_are_changed_and_audited(
    operator: Console, client: Client, alice: User, admin: User
) -> None:
    client.sign_in("alice")
    operator.save_user(alice, username="Alicia", last_name="L", tier="premium")
    me = client.get("/users/me").json()
    assert (me["username"], me["last_name"], me["tier"]) == ("Alicia", "L", "premium")
    events = AuditEvent.objects.filter(kind="user.changed", subject_id=alice.pk)
    assert {event.actor_id for event in events} == {admin.pk}
    assert len(events) == 1
    client.sign_in("ALICIA")


def test_a_username_can_be_taken_away_where_an_address_is_left(
    operator: Console, alice: User
) -> None:
    operator.save_user(alice, username="")
    assert User.objects.get(pk=alice.pk).username is None
    User.objects.filter(pk=alice.pk).update(
        username="alice", username_key="alice", email=None, email_key=None
    )
    answer = operator.save_user(User.objects.get(pk=alice.pk), username="")
    assert "needs a username" in answer.content.decode()
    assert User.objects.get(pk=alice.pk).username == "alice"


@pytest.mark.parametrize(
    ("username", "message"),
    [("BOB", "already exists"), ("a@b", "letters, digits"), ("аlice", "one script")],
)
def test_an_unusable_username_is_refused_with_the_reason(
    operator: Console, alice: User, bob: User, username: str, message: str
) -> None:
    answer = operator.save_user(alice, username=username, first_name="Changed")
    assert message in " ".join(operator.texts(answer))
    assert User.objects.get(pk=alice.pk).username == "alice"
    assert User.objects.get(pk=alice.pk).first_name == "Alice"


@pytest.mark.parametrize("change", [{"role": "user"}, {"is_active": False}])
def test_nobody_demotes_or_deactivates_themselves(
    operator: Console,
    admin: User,
    make_user: Callable[..., User],
    change: dict[str, Any],
) -> None:
    make_user("second", role="admin")
    answer = operator.save_user(admin, first_name="Changed", **change)
    assert operator.texts(answer) == ["Nobody deactivates, demotes or readdresses themselves here."]
    after = User.objects.get(pk=admin.pk)
    assert (after.role_id, after.is_active, after.first_name) == ("admin", True, "")
    assert not AuditEvent.objects.filter(kind__startswith="user.").exists()


def test_who_gave_the_password_may_have_another_address(operator: Console, admin: User) -> None:
    operator.save_user(admin, email="elsewhere@example.com")
    assert User.objects.get(pk=admin.pk).email == "elsewhere@example.com"


@pytest.mark.parametrize("change", [{"role": "user"}, {"is_active": False}])
def test_nobody_changes_somebody_who_may_do_more(
    console: Console,
    admin: User,
    make_user: Callable[..., User],
    make_role: Callable[..., Role],
    change: dict[str, Any],
) -> None:
    make_role("keeper", "accounts.view_user", "accounts.change_user")
    make_user("keeper", role="keeper")
    console.sign_in("keeper")
    answer = console.save_user(admin, **change)
    assert console.texts(answer) == [GrantTooWide.detail]
    after = User.objects.get(pk=admin.pk)
    assert (after.role_id, after.is_active) == ("admin", True)


def test_nobody_grants_what_they_lack(
    console: Console,
    alice: User,
    make_user: Callable[..., User],
    make_role: Callable[..., Role],
) -> None:
    make_role("keeper", "accounts.view_user", "accounts.change_user")
    make_user("keeper", role="keeper")
    console.sign_in("keeper")
    answer = console.save_user(alice, role="admin")
    assert console.texts(answer) == [GrantTooWide.detail]
    assert User.objects.get(pk=alice.pk).role_id == "user"


def test_an_old_page_undoes_nothing(operator: Console, client: Client, alice: User) -> None:
    form = operator.get(change_path(alice)).context["adminform"].form
    old_page = form["seen"].value()
    operator.save_user(alice, role="moderator")
    answer = operator.save_user(alice, seen=old_page, role="user")
    assert "Somebody changed this meanwhile" in " ".join(operator.texts(answer))
    assert User.objects.get(pk=alice.pk).role_id == "moderator"
    answer = operator.save_user(alice, seen="", role="user")
    assert User.objects.get(pk=alice.pk).role_id == "moderator"


def test_a_tier_that_is_no_longer_offered_can_stay(operator: Console, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(tier="legacy")
    operator.save_user(alice, first_name="Ally")
    after = User.objects.get(pk=alice.pk)
    assert (after.first_name, after.tier) == ("Ally", "legacy")
    operator.save_user(alice, tier="made-up")
    assert User.objects.get(pk=alice.pk).tier == "legacy"


def test_forged_fields_have_no_effect(operator: Console, alice: User) -> None:
    before = User.objects.values().get(pk=alice.pk)
    operator.save_user(
        alice,
        first_name="Changed",
        id="00000000-0000-7000-8000-000000000000",
        email_key="taken@example.com",
        email_verified_at="2020-01-01 00:00:00",
        password="argon2$forged",
        created_at="2020-01-01 00:00:00",
        last_login="2020-01-01 00:00:00",
        is_superuser="on",
        is_staff="on",
    )
    after = User.objects.values().get(pk=alice.pk)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"first_name", "updated_at"}


ADD = "/admin/accounts/user/add/"
NEW_PASSWORD = "under seven green moons"
NEW_USER = {"kind": "person", "username": "carol", "role": "user", "tier": "free"}


@pytest.fixture
def keeper(
    console: Console, make_user: Callable[..., User], make_role: Callable[..., Role]
) -> Console:
    """At the console, somebody who may do everything to ordinary users, and no more."""
    own = [f"accounts.{verb}_user" for verb in ("view", "add", "change", "delete")]
    make_role("keeper", *own, "accounts.view_site", "accounts.view_violation")
    make_user("keeper", role="keeper")
    console.sign_in("keeper")
    return console


def test_a_user_is_added_and_signs_in(operator: Console, client: Client, admin: User) -> None:
    person = NEW_USER | {
        "email": "Carol@example.com",
        "first_name": "Carol",
        "last_name": "Shaw",
        "tier": "premium",
        "password": NEW_PASSWORD,
    }
    assert operator.post(ADD, person).status_code == 302
    client.sign_in("carol@example.com", NEW_PASSWORD)
    me = client.get("/users/me").json()
    assert (me["username"], me["full_name"], me["tier"]) == ("carol", "Carol Shaw", "premium")
    event = AuditEvent.objects.get(kind="user.created")
    assert (event.actor_id, str(event.subject_id)) == (admin.pk, me["id"])
    assert change_path(User.objects.get(pk=me["id"])) in operator.html("/admin/accounts/user/")


@pytest.mark.parametrize("kind", ["person", "service"])
def test_a_user_can_be_added_without_a_password(
    operator: Console, client: Client, kind: str
) -> None:
    assert operator.post(ADD, NEW_USER | {"kind": kind}).status_code == 302
    assert not User.objects.get(username="carol").has_usable_password()
    sent = {"username": "carol", "password": ""}
    assert client.post("/auth/login", sent).status_code in (401, 422)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"username": "ALICE"}, "already exists"),
        ({"username": ""}, "needs a username or an e-mail"),
        ({"email": "nobody"}, "valid email"),
        ({"username": "a@b"}, "letters, digits"),
        ({"password": "short"}, "at least 8 characters"),
        ({"password": "x" * 300}, "at most 256 characters"),
        ({"password": "iloveyou123"}, "one of the most used"),
        ({"password": "moderator24!"}, "a name that this service uses"),
        ({"password": "carol-carol1"}, "a name or address of its owner"),
        ({"kind": "service", "password": NEW_PASSWORD}, "neither a password nor an e-mail"),
        ({"kind": "service", "email": "x@example.com"}, "neither a password nor an e-mail"),
        ({"kind": "robot"}, "not one of the available choices"),
        ({"role": "emperor"}, "not one of the available choices"),
        ({"tier": "made-up"}, "not one of the available choices"),
    ],
)
def test_who_can_not_be_added_is_told_why_and_types_nothing_again(
    operator: Console, alice: User, sent: dict[str, str], told: str
) -> None:
    before = User.objects.count()
    answer = operator.post(ADD, NEW_USER | {"first_name": "Caroline"} | sent)
    assert answer.status_code == 200
    assert told in " ".join(operator.texts(answer))
    html = answer.content.decode()
    assert 'value="Caroline"' in html
    assert NEW_PASSWORD not in html
    assert User.objects.count() == before
    assert not AuditEvent.objects.filter(kind="user.created").exists()


def test_nobody_adds_somebody_who_may_do_more(keeper: Console) -> None:
    answer = keeper.post(ADD, NEW_USER | {"role": "admin"})
    assert keeper.texts(answer) == [GrantTooWide.detail]
    assert not User.objects.filter(username="carol").exists()
    assert keeper.post(ADD, NEW_USER).status_code == 302


def test_an_address_is_changed_and_has_to_be_verified_again(
    operator: Console, client: Client, alice: User
) -> None:
    User.objects.filter(pk=alice.pk).update(email_verified_at=alice.created_at)
    operator.save_user(alice, email="Ally@Example.com")
    after = User.objects.get(pk=alice.pk)
    assert (after.email, after.email_verified) == ("Ally@Example.com", False)
    client.sign_in("ally@example.com")
    [event] = AuditEvent.objects.filter(kind="user.changed")
    assert event.full_details["before"] == {"email": "alice@example.com"}
    answer = operator.save_user(after, email="root@example.com")
    assert "already exists" in " ".join(operator.texts(answer))


def test_a_new_password_ends_the_sessions_and_is_told_to_the_user(
    operator: Console, client: Client, admin: User, alice: User
) -> None:
    client.sign_in("alice")
    operator.save_user(alice, new_password=NEW_PASSWORD)
    assert_problem(client.get("/users/me"), 401, "session_ended")
    client.sign_in("alice", NEW_PASSWORD)
    event = AuditEvent.objects.get(kind="password.set")
    assert (event.actor_id, event.subject_id) == (admin.pk, alice.pk)
    assert OutgoingMail.objects.get().recipient == "alice@example.com"


def test_a_password_that_comes_with_an_address_is_told_there(
    operator: Console, client: Client, alice: User
) -> None:
    operator.save_user(alice, email="new@example.com", new_password=NEW_PASSWORD)
    assert {(mail.recipient, mail.subject) for mail in OutgoingMail.objects.all()} == {
        ("alice@example.com", "Authentication: your e-mail address was changed"),
        ("new@example.com", "Authentication: your password was changed"),
    }
    client.sign_in("new@example.com", NEW_PASSWORD)


def test_a_password_that_comes_with_a_refused_address_is_not_set(
    operator: Console, alice: User, bob: User
) -> None:
    answer = operator.save_user(alice, email="bob@example.com", new_password=NEW_PASSWORD)
    assert "already exists" in " ".join(operator.texts(answer))
    after = User.objects.get(pk=alice.pk)
    assert (after.email, after.password) == (alice.email, alice.password)
    assert not OutgoingMail.objects.exists()


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password_too_short"),
        ("iloveyou123", "password_too_common"),
        ("changed-24", "password_too_similar"),
    ],
)
def test_what_comes_with_a_refused_password_is_not_saved(
    operator: Console, alice: User, password: str, code: str
) -> None:
    answer = operator.save_user(alice, new_password=password, first_name="Changed")
    errors = answer.context["adminform"].form.errors.as_data()
    assert code in {error.code for error in errors["new_password"]}
    after = User.objects.get(pk=alice.pk)
    assert (after.first_name, after.password) == ("Alice", alice.password)
    assert not AuditEvent.objects.filter(subject_id=alice.pk).exists()


def test_a_refused_password_comes_before_any_row_is_held(operator: Console, alice: User) -> None:
    with CaptureQueriesContext(connection) as captured:
        operator.save_user(alice, new_password="short", first_name="Changed")
    statements = [query["sql"] for query in captured.captured_queries]
    assert len(statements) > 5
    assert not [sql for sql in statements if re.search("UPDATE |INSERT |FOR UPDATE", sql)]


def test_a_password_that_expires_is_changed_at_the_next_sign_in(
    operator: Console, client: Client, alice: User, settings: Any
) -> None:
    settings.AUTH_ADMIN_SET_PASSWORDS = "expire"
    operator.save_user(alice, new_password=NEW_PASSWORD)
    answer = client.post("/auth/login", {"username": "alice", "password": NEW_PASSWORD})
    assert_problem(answer, 403, "password_expired")


def test_where_operators_set_no_passwords_no_page_takes_one(
    operator: Console, alice: User, settings: Any
) -> None:
    settings.AUTH_ADMIN_SET_PASSWORDS = "refuse"
    for path in (ADD, change_path(alice)):
        assert 'type="password"' not in operator.html(path)
    forged = {"password": NEW_PASSWORD, "new_password": NEW_PASSWORD}
    operator.save_user(alice, **forged)
    assert operator.post(ADD, NEW_USER | forged).status_code == 302
    assert User.objects.get(pk=alice.pk).password == alice.password
    assert not User.objects.get(username="carol").has_usable_password()


def test_nobody_sets_their_own_password_here(operator: Console, admin: User) -> None:
    assert "new_password" not in operator.html(change_path(admin))
    operator.save_user(admin, new_password=NEW_PASSWORD)
    assert User.objects.get(pk=admin.pk).password == admin.password


def test_nobody_sets_the_password_of_who_may_do_more(keeper: Console, admin: User) -> None:
    answer = keeper.save_user(admin, new_password=NEW_PASSWORD)
    assert keeper.texts(answer) == [GrantTooWide.detail]
    assert User.objects.get(pk=admin.pk).password == admin.password


def test_a_user_is_deleted_after_a_question(
    operator: Console, client: Client, admin: User, alice: User
) -> None:
    client.sign_in("alice")
    path = change_path(alice, "delete")
    assert path in operator.html(change_path(alice))
    page = operator.html(path)
    assert "alice" in page
    assert "Their sessions, API keys and memberships go with them." in page
    assert User.objects.filter(pk=alice.pk).exists()
    answer = operator.post(path, {"post": "yes"})
    assert answer.headers["Location"] == "/admin/accounts/user/"
    assert not User.objects.filter(pk=alice.pk).exists()
    assert_problem(client.get("/users/me"), 401, "session_ended")
    event = AuditEvent.objects.get(kind="user.deleted")
    assert (event.actor_id, event.subject_id) == (admin.pk, alice.pk)


def test_the_question_loads_nothing_of_what_goes_too(operator: Console, alice: User) -> None:
    for _ in range(5):
        Client().sign_in("alice")
    with CaptureQueriesContext(connection) as captured:
        operator.html(change_path(alice, "delete"))
    # The operator's own, and no other.
    [_] = [query for query in captured if "devicesession" in query["sql"]]


def test_nobody_deletes_themselves_or_who_may_do_more(keeper: Console, admin: User) -> None:
    operator = Console()
    operator.sign_in("root")
    path = change_path(admin, "delete")
    assert path not in operator.html(change_path(admin))
    assert operator.post(path, {"post": "yes"}).status_code == 403
    answer = keeper.post(path, {"post": "yes"}, follow=True)
    assert keeper.texts(answer) == [GrantTooWide.detail]
    assert User.objects.filter(pk=admin.pk).exists()


def test_there_is_no_deleting_of_many(operator: Console, alice: User) -> None:
    assert "delete_selected" not in operator.html("/admin/accounts/user/")
    chosen = {"action": "delete_selected", "_selected_action": str(alice.pk), "post": "yes"}
    operator.post("/admin/accounts/user/", chosen)
    assert User.objects.filter(pk=alice.pk).exists()


@pytest.mark.parametrize("verb", ["add", "change", "delete"])
def test_each_verb_needs_its_own_permission(
    console: Console,
    alice: User,
    make_user: Callable[..., User],
    make_role: Callable[..., Role],
    verb: str,
) -> None:
    everybodys = ("accounts.view_site", "accounts.view_violation")
    make_role("visitor", "accounts.view_user", f"accounts.{verb}_user", *everybodys)
    make_user("visitor", role="visitor")
    console.sign_in("visitor")
    paths = {"add": ADD, "change": change_path(alice), "delete": change_path(alice, "delete")}
    for other, path in paths.items():
        answer = console.post(path, {"post": "yes"})
        assert (answer.status_code == 403) == (other != verb), other
    assert User.objects.filter(pk=alice.pk).exists() == (verb != "delete")


def test_the_list_is_put_in_order_of_the_address(operator: Console, alice: User, bob: User) -> None:
    html = operator.html("/admin/accounts/user/?o=1")
    assert html.index(change_path(alice)) < html.index(change_path(bob))
    html = operator.html("/admin/accounts/user/?o=-1")
    assert html.index(change_path(bob)) < html.index(change_path(alice))
