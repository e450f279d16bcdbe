"""Users as operators find, make, change and delete them."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from accounts.models import ApiKey, Role, User
from security.models import AuditEvent
from sessions_app.models import DeviceSession
from tests.accounts.test_budgets import counted_sql
from tests.client import PASSWORD, Client, assert_problem

MakeUser = Callable[..., User]


@pytest.fixture
def moderator(make_user: MakeUser) -> Client:
    make_user("mod", role="moderator")
    client = Client()
    client.sign_in("mod")
    return client


@pytest.fixture
def alice_client(alice: User) -> Client:
    client = Client()
    client.sign_in("alice")
    return client


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [user["username"] or user["email"] for user in answer.json()["results"]]


def all_names(client: Client, query: str) -> list[str]:
    found, url = [], f"/users?{query}"
    while url:
        answer = client.get(url)
        found += names(answer)
        url = (answer.json()["next"] or "").partition("/api/v1")[2]
    return found


class TestFinding:
    def test_a_page_holds_whole_users_the_newest_first(
        self, moderator: Client, alice: User, bob: User
    ) -> None:
        answer = moderator.get("/users")
        assert names(answer)[0] == "bob"
        assert answer.json()["previous"] is None
        assert answer.json()["results"][0].keys() == moderator.get("/users/me").json().keys()

    @pytest.mark.parametrize(
        ("ordering", "expected"),
        [
            ("username", ["adam", "beth@example.com", "carl", "dora@example.com", "root"]),
            ("-username", ["root", "dora@example.com", "carl", "beth@example.com", "adam"]),
            # Who has no address is put by the username.
            ("email", ["adam", "beth@example.com", "carl", "dora@example.com", "root"]),
        ],
    )
    def test_every_order_is_complete_also_for_those_without_a_name_or_an_address(
        self, operator: Client, ordering: str, expected: list[str]
    ) -> None:
        role = Role.objects.get(pk="user")
        for username, email in (
            ("carl", "carl@example.com"),
            ("adam", None),
            (None, "dora@example.com"),
            (None, "beth@example.com"),
        ):
            User.objects.create(username=username, email=email, role=role, tier="free")
        assert all_names(operator, f"ordering={ordering}&page_size=2") == expected

    def test_the_oldest_may_come_first(self, operator: Client, alice: User, bob: User) -> None:
        newest_first = all_names(operator, "page_size=1")
        assert all_names(operator, "ordering=created_at&page_size=2") == newest_first[::-1]

    def test_search_finds_by_the_beginning_in_any_spelling(
        self, operator: Client, alice: User, bob: User, make_user: MakeUser
    ) -> None:
        make_user("alistair")
        assert set(names(operator.get("/users?search=ALI"))) == {"alice", "alistair"}
        assert names(operator.get("/users?search=bob@EXAMPLE")) == ["bob"]
        assert names(operator.get("/users?search=lice")) == []
        assert names(operator.get("/users?search=%25")) == []

    @pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
    def test_a_search_is_in_the_order_of_names_and_can_be_paged_both_ways(
        self, operator: Client, make_user: MakeUser, size: int
    ) -> None:
        make_user("abel")
        User.objects.update(email=None, email_key=None)
        for name in ("ada", "Abe", "bert"):
            make_user(name)
        role = Role.objects.get(pk="user")
        for email, username in (("abc@x.org", None), ("aaa@x.org", "zoe"), ("zzz@x.org", "abz")):
            User(email=email, username=username, role=role, tier="free").save()
        expected = ["Abe", "abel", "abz", "ada", "zoe", "abc@x.org"]
        pages, url = [], f"/users?search=A&page_size={size}"
        while url:
            answer = operator.get(url)
            pages.append(names(answer))
            last, url = answer.json(), (answer.json()["next"] or "").partition("/api/v1")[2]
        assert [name for page in pages for name in page] == expected
        back = []
        while last["previous"]:
            answer = operator.get(last["previous"].partition("/api/v1")[2])
            back.append(names(answer))
            last = answer.json()
        assert back == pages[-2::-1]

    @pytest.mark.shared
    def test_a_page_of_a_search_costs_the_same_however_many_are_found(
        self, operator: Client
    ) -> None:
        with counted_sql() as statements:
            operator.get("/users?search=a")
        finding = [sql for sql in statements if "LIKE" in sql]
        assert len(finding) == 2
        with connection.cursor() as cursor:
            # The table is too small for the planner to bother.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            for sql, column in zip(finding, ["username_key", "email_key"], strict=True):
                cursor.execute(f"EXPLAIN {sql}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
                assert re.search(rf"Index Scan using accounts_user_{column}\w+", plan), plan
                assert "Sort" not in plan

    @pytest.mark.shared
    def test_keys_are_in_the_order_of_code_points_whatever_the_database_is(self, db: None) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT column_name, collation_name FROM information_schema.columns "
                "WHERE table_name = 'accounts_user' AND column_name LIKE '%_key'"
            )
            assert dict(cursor.fetchall()) == {"email_key": "C", "username_key": "C"}

    def test_filters_narrow_the_list(self, operator: Client, alice: User, bob: User) -> None:
        User.objects.filter(pk=bob.pk).update(is_active=False, tier="premium")
        assert names(operator.get("/users?is_active=false")) == ["bob"]
        assert names(operator.get("/users?tier=premium")) == ["bob"]
        assert names(operator.get("/users?role=admin")) == ["root"]
        assert names(operator.get("/users?role=user&is_active=true")) == ["alice"]
        assert names(operator.get("/users?role=nobody")) == []

    @pytest.mark.parametrize(
        "query",
        [
            "page_size=0",
            "page_size=101",
            "page_size=many",
            "ordering=password",
            "ordering=-",
            "is_active=perhaps",
            "search=%00",
            "cursor=abc",
        ],
    )
    def test_a_wrong_query_is_said_to_be_wrong(self, operator: Client, query: str) -> None:
        assert_problem(operator.get(f"/users?{query}"), 422, "validation_error")

    def test_a_cursor_belongs_to_its_list_and_order(
        self, operator: Client, alice: User, bob: User
    ) -> None:
        cursor = operator.get("/users?page_size=1").json()["next"].partition("?")[2]
        assert_problem(operator.get(f"/audit/events?{cursor}"), 422, "validation_error")
        url = operator.get("/users?page_size=1").json()["next"].partition("/api/v1")[2]
        assert_problem(operator.get(f"{url}&ordering=username"), 422, "validation_error")

    @pytest.mark.parametrize("people", [2, 40])
    def test_a_page_costs_the_same_however_many_there_are(
        self, operator: Client, people: int
    ) -> None:
        role = Role.objects.get(pk="user")
        User.objects.bulk_create(
            User(username=f"u{n}", username_key=f"u{n}", role=role, tier="free")
            for n in range(people)
        )
        operator.get("/users/me")
        with counted_sql() as statements:
            operator.get("/users?page_size=50")
        found = [sql for sql in statements if 'FROM "accounts_user"' in sql]
        assert len(found) == 1
        assert "COUNT(" not in found[0]

    @pytest.mark.parametrize("role", ["guest", "user", "model_manager"])
    def test_others_may_not_list(self, make_user: MakeUser, role: str) -> None:
        make_user("someone", role=role)
        client = Client()
        client.sign_in("someone")
        assert_problem(client.get("/users"), 403, "permission_denied")
        assert_problem(client.get("/admin/users"), 403, "permission_denied")


class TestReading:
    def test_one_reads_oneself_and_operators_everybody(
        self, alice_client: Client, moderator: Client, alice: User
    ) -> None:
        own = alice_client.get(f"/users/{alice.pk}")
        assert own.json()["username"] == "alice"
        assert moderator.get(f"/users/{alice.pk}").json() == own.json()
        assert moderator.get(f"/admin/users/{alice.pk}").json() == own.json()

    def test_nobody_else_is_there(self, alice_client: Client, bob: User) -> None:
        for path in (f"/users/{bob.pk}", f"/users/{uuid4()}", f"/admin/users/{bob.pk}"):
            assert_problem(alice_client.get(path), 404, "not_found")
            assert_problem(alice_client.patch(path, {"first_name": "X"}), 404, "not_found")
            assert_problem(alice_client.delete(path), 404, "not_found")
        assert User.objects.get(pk=bob.pk).first_name == ""


class TestMaking:
    def test_a_person_with_a_password_can_sign_in(self, operator: Client, admin: User) -> None:
        answer = operator.post(
            "/users",
            {
                "email": "eve@example.com",
                "username": "eve",
                "password": PASSWORD,
                "full_name": "Eve Moneypenny",
                "role": "moderator",
                "tier": "premium",
            },
        )
        assert answer.status_code == 201
        made = answer.json()
        assert (made["role"], made["tier"], made["last_name"]) == (
            "moderator",
            "premium",
            "Moneypenny",
        )
        assert Client().sign_in("eve")["role"] == "moderator"
        event = AuditEvent.objects.get(kind="user.created")
        assert (event.actor_id, str(event.subject_id)) == (admin.pk, made["id"])

    def test_without_a_password_nobody_can_sign_in(self, operator: Client) -> None:
        assert operator.post("/users", {"email": "eve@example.com"}).status_code == 201
        for password in ("", "!", PASSWORD):
            body = {"email": "eve@example.com", "password": password}
            assert Client().post("/auth/login", body).status_code in {401, 422}

    def test_a_service_acts_by_its_keys_alone(self, operator: Client) -> None:
        service = operator.post("/users", {"username": "indexer", "kind": "service"}).json()
        key = operator.post(f"/users/{service['id']}/api-keys", {"name": "nightly"}).json()["key"]
        assert Client(key).get("/users/me").json()["username"] == "indexer"
        assert_problem(
            Client().post("/auth/login", {"username": "indexer", "password": PASSWORD}),
            401,
            "invalid_credentials",
        )

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"username": "x", "kind": "service", "password": PASSWORD}, "kind"),
            ({"username": "x", "kind": "service", "email": "x@example.com"}, "kind"),
            ({"username": "x", "kind": "robot"}, "kind"),
            ({"username": "x", "kind": "\ud800"}, "kind"),
            ({}, "username"),
            ({"email": "no address"}, "email"),
            ({"username": "x", "role": "emperor"}, "role"),
            ({"username": "x", "tier": "platinum"}, "tier"),
            ({"username": "x", "password": "short"}, "password"),
            ({"username": "x", "password": 12345678}, "password"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, operator: Client, body: dict[str, Any], field: str
    ) -> None:
        problem = assert_problem(operator.post("/users", body), 422, "validation_error")
        assert problem["errors"][0]["field"] == field
        assert not User.objects.filter(username="x").exists()

    def test_a_taken_name_is_a_conflict(self, operator: Client, alice: User) -> None:
        assert_problem(operator.post("/users", {"username": "ALICE"}), 409, "already_registered")

    def test_only_with_the_permission(self, alice_client: Client, moderator: Client) -> None:
        for client in (alice_client, moderator):
            answer = client.post("/users", {"username": "x"})
            assert_problem(answer, 403, "permission_denied")


class TestChanging:
    @pytest.mark.parametrize("method", ["put", "patch"])
    def test_an_operator_changes_what_is_sent(
        self, operator: Client, alice: User, method: str
    ) -> None:
        User.objects.filter(pk=alice.pk).update(email_verified_at="2026-01-01T00:00:00Z")
        answer = getattr(operator, method)(
            f"/users/{alice.pk}",
            {"email": "new@example.com", "tier": "premium", "role": "moderator"},
        )
        assert answer.status_code == 200
        user = answer.json()
        assert (user["email"], user["tier"], user["role"], user["username"]) == (
            "new@example.com",
            "premium",
            "moderator",
            "alice",
        )
        assert user["email_verified"] is False
        event = AuditEvent.objects.get(kind="user.changed")
        assert set(event.details["before"]) == {"email", "tier", "role"}

    def test_a_change_counts_for_tokens_already_issued(
        self, operator: Client, alice_client: Client, alice: User
    ) -> None:
        assert_problem(alice_client.get("/users"), 403, "permission_denied")
        operator.patch(f"/users/{alice.pk}", {"role": "moderator"})
        assert alice_client.get("/users").status_code == 200
        operator.patch(f"/users/{alice.pk}", {"role": "user"})
        assert_problem(alice_client.get("/users"), 403, "permission_denied")
        operator.patch(f"/users/{alice.pk}", {"is_active": False})
        assert_problem(alice_client.get("/users/me"), 401, "session_ended")

    @pytest.mark.parametrize("flag", ["is_admin", "is_superuser"])
    def test_admin_flags_say_the_role(self, operator: Client, alice: User, flag: str) -> None:
        assert operator.put(f"/admin/users/{alice.pk}", {flag: True}).json()["role"] == "admin"
        assert operator.put(f"/admin/users/{alice.pk}", {flag: False}).json()["role"] == "user"

    def test_a_flag_that_differs_counts_beside_the_present_role(
        self, operator: Client, alice: User
    ) -> None:
        user = operator.get(f"/users/{alice.pk}").json()
        path = f"/users/{alice.pk}"
        assert operator.put(path, user | {"is_admin": True}).json()["role"] == "admin"
        user = operator.get(path).json()
        answer = operator.put(path, user | {"is_admin": False, "is_superuser": False})
        assert answer.json()["role"] == "user"

    @pytest.mark.parametrize(
        "body",
        [
            {"is_superuser": True, "role": "guest"},
            {"is_admin": True, "role": "moderator"},
        ],
    )
    def test_contradictions_are_refused(
        self, operator: Client, alice: User, body: dict[str, Any]
    ) -> None:
        answer = operator.patch(f"/users/{alice.pk}", body)
        assert_problem(answer, 422, "validation_error")
        assert User.objects.get(pk=alice.pk).role_id == "user"

    def test_a_whole_user_may_be_sent_back(self, operator: Client, alice: User) -> None:
        user = operator.get(f"/users/{alice.pk}").json()
        assert operator.put(f"/users/{alice.pk}", user).json() == user
        assert not AuditEvent.objects.filter(kind="user.changed").exists()
        changed = operator.put(f"/users/{alice.pk}", user | {"last_name": "Hargreaves"})
        assert changed.json()["full_name"] == "Alice Hargreaves"

    def test_all_or_nothing(self, operator: Client, alice: User) -> None:
        answer = operator.patch(f"/users/{alice.pk}", {"tier": "premium", "role": "emperor"})
        assert_problem(answer, 422, "validation_error")
        assert User.objects.get(pk=alice.pk).tier == "free"

    def test_one_changes_ones_own_plain_fields_here_too(
        self, alice_client: Client, alice: User
    ) -> None:
        answer = alice_client.patch(f"/users/{alice.pk}", {"first_name": "Alicia"})
        assert answer.json()["first_name"] == "Alicia"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("role", "admin"),
            ("is_admin", True),
            ("is_superuser", True),
            ("is_staff", True),
            ("tier", "enterprise"),
            ("is_active", False),
            ("email", "mallory@example.com"),
            ("email_verified", True),
        ],
    )
    def test_nobody_raises_themselves(
        self, alice_client: Client, alice: User, field: str, value: Any
    ) -> None:
        before = alice_client.get("/users/me").json()
        for path in ("/users/me", f"/users/{alice.pk}", f"/admin/users/{alice.pk}"):
            answer = alice_client.patch(path, {field: value, "first_name": "Mallory"})
            assert_problem(answer, 403, "privileged_field")
        assert alice_client.get("/users/me").json() == before

    def test_nobody_verifies_an_address_by_hand(self, operator: Client, alice: User) -> None:
        answer = operator.patch(f"/users/{alice.pk}", {"email_verified": True})
        assert_problem(answer, 403, "privileged_field")

    @pytest.mark.parametrize("secret", ["password", "password_expired", "id", "last_login"])
    def test_what_is_no_field_of_a_change_is_ignored(
        self, operator: Client, alice: User, secret: str
    ) -> None:
        stored = User.objects.values().get(pk=alice.pk)
        assert operator.patch(f"/users/{alice.pk}", {secret: str(uuid4())}).status_code == 200
        assert User.objects.values().get(pk=alice.pk) == stored

    def test_an_admin_neither_demotes_nor_deactivates_nor_deletes_themselves(
        self, operator: Client, admin: User, make_user: MakeUser
    ) -> None:
        make_user("second", role="admin")
        path = f"/users/{admin.pk}"
        assert_problem(operator.patch(path, {"role": "user"}), 403, "not_on_yourself")
        assert_problem(operator.patch(path, {"is_active": False}), 403, "not_on_yourself")
        assert_problem(operator.delete(path), 403, "not_on_yourself")
        assert operator.patch(path, {"role": "admin", "first_name": "R"}).status_code == 200

    def test_who_may_view_may_not_change(self, moderator: Client, alice: User) -> None:
        path = f"/users/{alice.pk}"
        assert_problem(moderator.patch(path, {"first_name": "X"}), 403, "permission_denied")
        assert_problem(moderator.delete(path), 403, "permission_denied")


@pytest.fixture
def helpdesk(make_user: MakeUser) -> Client:
    """Somebody who may change and delete users, and else no more than they."""
    role = Role.objects.create(name="helpdesk")
    verbs = ("view", "add", "change", "delete")
    codes = [f"{verb}_user" for verb in verbs]
    role.permissions.set(_permissions(*codes, "view_site", "view_violation"))
    make_user("desk", role="helpdesk")
    client = Client()
    client.sign_in("desk")
    return client


def _permissions(*codenames: str) -> Any:
    through = Role.permissions.rel.model
    return through.objects.filter(codename__in=codenames)


class TestGrantingNoMoreThanOnesOwn:
    def test_lesser_people_can_be_changed(self, helpdesk: Client, alice: User) -> None:
        assert helpdesk.patch(f"/users/{alice.pk}", {"tier": "premium"}).status_code == 200
        assert helpdesk.patch(f"/users/{alice.pk}", {"role": "moderator"}).status_code == 200

    def test_nobody_is_given_more(self, helpdesk: Client, alice: User) -> None:
        Role.objects.create(name="auditor").permissions.set(_permissions("view_auditevent"))
        Role.objects.create(name="visitor", console_access=True)
        for role in ("admin", "auditor", "visitor"):
            answer = helpdesk.patch(f"/users/{alice.pk}", {"role": role})
            assert_problem(answer, 403, "grant_too_wide")
            answer = helpdesk.post("/users", {"username": "new", "role": role})
            assert_problem(answer, 403, "grant_too_wide")
        assert_problem(
            helpdesk.patch(f"/users/{alice.pk}", {"is_admin": True}), 403, "grant_too_wide"
        )

    def test_those_with_more_are_left_alone(self, helpdesk: Client, admin: User) -> None:
        path = f"/users/{admin.pk}"
        assert_problem(helpdesk.patch(path, {"first_name": "X"}), 403, "grant_too_wide")
        assert_problem(helpdesk.patch(path, {"is_active": False}), 403, "grant_too_wide")
        assert_problem(helpdesk.delete(path), 403, "grant_too_wide")
        body = {"username": "root", "new_password": PASSWORD}
        assert_problem(helpdesk.put("/users/update_password", body), 403, "grant_too_wide")

    def test_their_sessions_are_left_alone(self, admin: User, make_user: MakeUser) -> None:
        role = Role.objects.create(name="warden")
        role.permissions.set(
            _permissions(
                "view_devicesession", "delete_devicesession", "view_site", "view_violation"
            )
        )
        make_user("warden", role="warden")
        make_user("pupil")
        client, chief, pupil = Client(), Client(), Client()
        client.sign_in("warden")
        chief.sign_in("root")
        pupil.sign_in("pupil")
        answer = client.delete(f"/users/{admin.pk}/sessions")
        assert_problem(answer, 403, "grant_too_wide")
        assert chief.get("/users/me").status_code == 200
        path = f"/users/{User.objects.get(username='pupil').pk}/sessions"
        assert client.delete(path).json() == {"revoked": 1}


class TestDeleting:
    def test_it_ends_sessions_and_keys_at_once(
        self, operator: Client, alice_client: Client, alice: User, admin: User
    ) -> None:
        key = Client(alice_client.post("/api-keys", {"name": "x"}).json()["key"])
        assert key.get("/users/me").status_code == 200
        refresh_token = Client().sign_in("alice")["refresh_token"]
        assert operator.delete(f"/users/{alice.pk}").status_code == 204

        assert_problem(alice_client.get("/users/me"), 401, "session_ended")
        assert_problem(key.get("/users/me"), 401, "token_invalid")
        assert_problem(Client().refresh(refresh_token), 401, "session_ended")
        assert_problem(operator.get(f"/users/{alice.pk}"), 404, "not_found")
        assert not DeviceSession.objects.filter(user_id=alice.pk).exists()
        assert not ApiKey.objects.filter(user_id=alice.pk).exists()
        event = AuditEvent.objects.get(kind="user.deleted")
        assert (event.actor_id, event.subject_id) == (admin.pk, alice.pk)

    def test_the_freed_name_is_another_persons(
        self, operator: Client, alice_client: Client, alice: User
    ) -> None:
        operator.delete(f"/users/{alice.pk}")
        body = {"email": "alice@example.com", "username": "alice", "password": PASSWORD}
        again = Client().post("/auth/register", body).json()
        assert again["id"] != str(alice.pk)
        assert_problem(alice_client.get("/users/me"), 401, "session_ended")
