"""Changing one's own password."""

import pytest

from accounts.models import OutgoingMail, User
from security.models import AuditEvent
from sessions_app.models import DeviceSession
from tests.client import PASSWORD, Client, assert_problem

NEW = "tapir under seven moons"
PATHS = ("/users/me/password", "/users/me/change-password")
both_paths = pytest.mark.parametrize("path", PATHS)


def change(client: Client, path: str = PATHS[0], old: str = PASSWORD, new: str = NEW) -> object:
    return client.post(path, {"current_password": old, "new_password": new})


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.sign_in("alice")
    return client


@both_paths
def test_the_new_password_signs_in_and_the_old_one_does_not(signed_in: Client, path: str) -> None:
    answer = signed_in.post(path, {"current_password": PASSWORD, "new_password": NEW})
    assert answer.status_code == 200
    assert answer.json() == {"message": "Password updated successfully."}
    old = signed_in.post("/auth/login", {"username": "alice", "password": PASSWORD})
    assert_problem(old, 401, "invalid_credentials")
    assert signed_in.sign_in("alice", NEW)["username"] == "alice"


def test_the_other_sessions_end_and_this_one_goes_on(client: Client, alice: User) -> None:
    elsewhere = client.sign_in("alice")
    here = client.sign_in("alice")
    change(client)
    other = Client(elsewhere["access_token"])
    assert_problem(other.get("/users/me"), 401, "session_ended")
    assert_problem(other.refresh(elsewhere["refresh_token"]), 401, "session_ended")
    assert client.get("/users/me").status_code == 200
    assert client.refresh(here["refresh_token"]).status_code == 200
    ended = DeviceSession.objects.get(pk=elsewhere["session_id"])
    assert ended.end_reason == "password_changed"


def test_another_users_sessions_go_on(client: Client, alice: User, bob: User) -> None:
    of_bob = client.sign_in("bob")
    client.sign_in("alice")
    change(client)
    assert Client(of_bob["access_token"]).get("/users/me").status_code == 200


@both_paths
@pytest.mark.parametrize("old", ["wrong", PASSWORD.upper(), PASSWORD + " "])
def test_a_wrong_current_password_is_422_and_changes_nothing(
    signed_in: Client, path: str, old: str
) -> None:
    answer = signed_in.post(path, {"current_password": old, "new_password": NEW})
    refusal = assert_problem(answer, 422, "validation_error")
    (error,) = refusal["errors"]
    assert (error["field"], error["code"]) == ("current_password", "incorrect_password")
    assert signed_in.sign_in("alice")
    assert not AuditEvent.objects.filter(kind="password.changed").exists()


@pytest.mark.parametrize("new", ["short", "password", "12345678", "x" * 257])
def test_a_weak_new_password_is_422_and_changes_nothing(signed_in: Client, new: str) -> None:
    answer = signed_in.post(PATHS[0], {"current_password": PASSWORD, "new_password": new})
    refusal = assert_problem(answer, 422, "validation_error")
    assert {error["field"] for error in refusal["errors"]} == {"new_password"}
    assert signed_in.sign_in("alice")


@both_paths
def test_without_a_token_it_is_401(client: Client, path: str) -> None:
    answer = client.post(path, {"current_password": PASSWORD, "new_password": NEW})
    assert_problem(answer, 401, "not_authenticated")


def test_a_change_is_audited_and_told(signed_in: Client, alice: User) -> None:
    change(signed_in)
    event = AuditEvent.objects.get(kind="password.changed")
    assert (event.actor_id, event.subject_id) == (alice.pk, alice.pk)
    mail = OutgoingMail.objects.get()
    assert mail.recipient == "alice@example.com"
    assert NEW not in mail.body
    assert PASSWORD not in mail.body


def test_the_answer_and_the_profile_never_hold_the_hash(signed_in: Client) -> None:
    assert (
        b"argon2"
        not in signed_in.post(PATHS[0], {"current_password": PASSWORD, "new_password": NEW}).content
    )
    assert b"argon2" not in signed_in.get("/users/me").content
