"""Administration by username, as the construction-hazard client does it."""

from typing import Any

import pytest

from accounts.models import User
from security.models import AuditEvent
from tests.client import PASSWORD, Client, assert_problem

OTHER = "another horse battery"
OPERATIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("post", "add_user", {"username": "eve", "password": PASSWORD, "role": "guest"}),
    ("put", "update_username", {"old_username": "alice", "new_username": "alicia"}),
    ("put", "update_password", {"username": "alice", "new_password": OTHER}),
    ("put", "set_user_active_status", {"username": "alice", "is_active": False}),
    ("post", "delete_user", {"username": "alice"}),
]


def test_each_does_what_it_is_called(operator: Client, alice: User) -> None:
    added = operator.post("/users/add_user", OPERATIONS[0][2])
    assert (added.status_code, added.json()["message"]) == (200, "User added successfully.")
    assert added.json()["user"]["role"] == "guest"
    assert Client().sign_in("eve")["role"] == "guest"

    renamed = operator.put("/users/update_username", OPERATIONS[1][2])
    assert renamed.json() == {"message": "Username updated successfully."}
    assert User.objects.get(pk=alice.pk).username == "alicia"

    inactive = {"username": "alicia", "is_active": False}
    told = {"message": "User active status updated successfully."}
    assert operator.put("/users/set_user_active_status", inactive).json() == told
    login = {"username": "alicia", "password": PASSWORD}
    assert_problem(Client().post("/auth/login", login), 403, "account_inactive")
    assert operator.put("/users/set_user_active_status", inactive | {"is_active": True}).json()
    Client().sign_in("alicia")

    deleted = operator.post("/users/delete_user", {"username": "alicia"})
    assert deleted.json() == {"message": "User deleted successfully."}
    assert not User.objects.filter(pk=alice.pk).exists()


def test_a_role_may_be_left_out(operator: Client) -> None:
    body = {"username": "eve", "password": PASSWORD}
    assert operator.post("/users/add_user", body).json()["user"]["role"] == "user"


@pytest.mark.parametrize(("method", "name", "body"), OPERATIONS)
@pytest.mark.parametrize("role", ["guest", "user", "model_manager", "moderator"])
def test_only_admins(
    make_user: Any, alice: User, method: str, name: str, body: dict[str, Any], role: str
) -> None:
    make_user("someone", role=role)
    client = Client()
    client.sign_in("someone")
    before = list(User.objects.order_by("pk").values())
    assert_problem(getattr(client, method)(f"/users/{name}", body), 403, "permission_denied")
    assert list(User.objects.order_by("pk").values()) == before


@pytest.mark.parametrize(("method", "name", "body"), OPERATIONS[1:])
def test_nobody_of_that_name_is_404(
    operator: Client, method: str, name: str, body: dict[str, Any]
) -> None:
    assert_problem(getattr(operator, method)(f"/users/{name}", body), 404, "not_found")


@pytest.mark.parametrize(("method", "name", "body"), OPERATIONS)
def test_a_missing_field_is_named(
    operator: Client, method: str, name: str, body: dict[str, Any]
) -> None:
    problem = assert_problem(
        getattr(operator, method)(f"/users/{name}", {}), 422, "validation_error"
    )
    required = {error["field"] for error in problem["errors"]}
    assert required == set(body) - {"role"}


class TestSettingAPassword:
    def test_it_ends_every_session_and_is_audited(
        self, operator: Client, alice: User, admin: User
    ) -> None:
        client = Client()
        client.sign_in("alice")
        body = {"username": "alice", "new_password": OTHER}
        answer = operator.put("/users/update_password", body)
        assert answer.json() == {"message": "Password updated successfully."}
        assert_problem(client.get("/users/me"), 401, "session_ended")
        Client().sign_in("alice", OTHER)
        event = AuditEvent.objects.get(kind="password.set")
        assert (event.actor_id, event.subject_id) == (admin.pk, alice.pk)

    def test_the_rules_for_passwords_hold(self, operator: Client, alice: User) -> None:
        body = {"username": "alice", "new_password": "alice"}
        problem = assert_problem(
            operator.put("/users/update_password", body), 422, "validation_error"
        )
        assert problem["errors"][0]["field"] == "new_password"
        Client().sign_in("alice")

    def test_ones_own_takes_the_present_one(self, operator: Client) -> None:
        body = {"username": "root", "new_password": OTHER}
        assert_problem(operator.put("/users/update_password", body), 403, "not_on_yourself")

    def test_no_api_key_sets_one(self, operator: Client, alice: User) -> None:
        # A key changes nobody who has more than its scopes, and everybody may view their sites.
        scopes = ["accounts.change_user", "accounts.view_site", "accounts.view_violation"]
        key = Client(operator.post("/api-keys", {"name": "x", "scopes": scopes}).json()["key"])
        body = {"username": "alice", "new_password": OTHER}
        assert_problem(key.put("/users/update_password", body), 403, "permission_denied")
        rename = {"old_username": "alice", "new_username": "alicia"}
        assert key.put("/users/update_username", rename).status_code == 200

    def test_operators_may_be_refused_to(
        self, operator: Client, alice: User, settings: Any
    ) -> None:
        settings.AUTH_ADMIN_SET_PASSWORDS = "refuse"
        body = {"username": "alice", "new_password": OTHER}
        refused = operator.put("/users/update_password", body)
        assert_problem(refused, 403, "admin_passwords_refused")
        made = operator.post("/users/add_user", {"username": "eve", "password": PASSWORD})
        assert_problem(made, 403, "admin_passwords_refused")
        assert operator.post("/users", {"username": "eve"}).status_code == 201
        Client().sign_in("alice")


class TestAPasswordThatExpires:
    @pytest.fixture(autouse=True)
    def expired(self, operator: Client, alice: User, settings: Any) -> None:
        settings.AUTH_ADMIN_SET_PASSWORDS = "expire"
        body = {"username": "alice", "new_password": OTHER}
        assert operator.put("/users/update_password", body).status_code == 200

    def log_in(self, **body: str) -> Any:
        return Client().post("/auth/login", {"username": "alice", **body})

    def test_it_opens_nothing_until_it_is_changed(self) -> None:
        assert_problem(self.log_in(password=OTHER), 403, "password_expired")
        assert_problem(self.log_in(password=PASSWORD), 401, "invalid_credentials")
        own = self.log_in(password=OTHER, new_password="my own horse battery")
        assert own.status_code == 200
        assert self.log_in(password="my own horse battery").status_code == 200
        assert_problem(self.log_in(password=OTHER), 401, "invalid_credentials")

    @pytest.mark.parametrize("new", [OTHER, "short", "alice@example.com"])
    def test_a_bad_or_the_same_password_takes_its_place_not(self, new: str) -> None:
        answer = self.log_in(password=OTHER, new_password=new)
        problem = assert_problem(answer, 422, "validation_error")
        assert problem["errors"][0]["field"] == "new_password"
        assert_problem(self.log_in(password=OTHER), 403, "password_expired")

    def test_a_wrong_password_learns_nothing_of_it(self) -> None:
        answer = self.log_in(password="wrong", new_password="my own horse battery")
        assert_problem(answer, 401, "invalid_credentials")

    def test_it_does_not_open_the_console(self, alice: User) -> None:
        User.objects.filter(pk=alice.pk).update(role_id="admin")
        page = Client().django
        page.post("/admin/login/", {"username": "alice", "password": OTHER})
        assert page.get("/admin/").status_code == 302

    def test_a_new_password_changes_none_that_has_not_expired(self, bob: User) -> None:
        body = {"username": "bob", "password": PASSWORD, "new_password": OTHER}
        assert Client().post("/auth/login", body).status_code == 200
        Client().sign_in("bob", PASSWORD)
