"""Where a user is signed in, and ending it from afar."""

from uuid import uuid4

import pytest

from accounts.models import User
from security.models import AuditEvent
from sessions_app.models import DeviceSession
from tests.client import Client, assert_problem

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


@pytest.fixture
def phone(alice: User) -> Client:
    client = Client(user_agent="okhttp/4.12")
    client.sign_in("alice")
    return client


@pytest.fixture
def laptop(alice: User) -> Client:
    client = Client(user_agent=FIREFOX)
    client.sign_in("alice")
    return client


def session_of(client: Client) -> dict[str, str]:
    current: dict[str, str] = next(s for s in client.get("/sessions").json() if s["is_current"])
    return current


def test_the_list_names_devices_and_the_present_one(phone: Client, laptop: Client) -> None:
    listed = laptop.get("/sessions").json()
    assert [(s["device"], s["is_current"]) for s in listed] == [
        ("Firefox on Linux", True),
        ("okhttp", False),
    ]
    assert listed[0]["ip_address"] == "127.0.0.1"
    assert set(listed[0]) == {
        "id",
        "device",
        "ip_address",
        "user_agent",
        "created_at",
        "last_seen_at",
        "expires_at",
        "is_current",
    }


def test_a_session_can_have_a_name_of_ones_own(laptop: Client) -> None:
    path = f"/sessions/{session_of(laptop)['id']}"
    assert laptop.patch(path, {"device": "The big one"}).json()["device"] == "The big one"
    assert session_of(laptop)["device"] == "The big one"
    assert_problem(laptop.patch(path, {"device": "x" * 121}), 422, "validation_error")


def test_a_remote_logout_ends_that_session_alone(phone: Client, laptop: Client) -> None:
    assert laptop.delete(f"/sessions/{session_of(phone)['id']}").status_code == 204
    assert_problem(phone.get("/users/me"), 401, "session_ended")
    assert laptop.get("/users/me").status_code == 200
    assert DeviceSession.objects.get(end_reason="remote_logout").device == "okhttp"


def test_all_others_end_and_the_present_one_stays(phone: Client, laptop: Client) -> None:
    assert laptop.delete("/sessions").json() == {"revoked": 1}
    assert_problem(phone.get("/users/me"), 401, "session_ended")
    assert laptop.get("/users/me").status_code == 200


def test_logout_all_ends_the_present_one_too(phone: Client, laptop: Client) -> None:
    assert laptop.post("/auth/logout-all").json() == {"revoked": 2}
    for client in (phone, laptop):
        assert_problem(client.get("/users/me"), 401, "session_ended")


def test_somebody_elses_session_is_not_there(laptop: Client, bob: User) -> None:
    stranger = Client()
    stranger.sign_in("bob")
    path = f"/sessions/{session_of(laptop)['id']}"
    assert_problem(stranger.delete(path), 404, "not_found")
    assert_problem(stranger.patch(path, {"device": "mine"}), 404, "not_found")
    assert_problem(stranger.delete(f"/sessions/{uuid4()}"), 404, "not_found")
    assert_problem(stranger.delete("/sessions/17"), 404, "not_found")
    assert laptop.get("/users/me").status_code == 200


def test_an_ended_session_is_not_listed(phone: Client, laptop: Client) -> None:
    phone.post("/auth/logout")
    assert len(laptop.get("/sessions").json()) == 1


def test_operators_see_and_end_a_users_sessions(
    laptop: Client, phone: Client, alice: User, admin: User
) -> None:
    operator = Client()
    operator.sign_in("root")
    path = f"/users/{alice.pk}/sessions"
    assert len(operator.get(path).json()) == 2
    assert operator.delete(path).json() == {"revoked": 2}
    assert_problem(laptop.get("/users/me"), 401, "session_ended")
    assert AuditEvent.objects.filter(kind="session.ended", actor_id=admin.pk).count() == 2
    assert_problem(operator.get(f"/users/{uuid4()}/sessions"), 404, "not_found")


@pytest.mark.parametrize(
    ("role", "status", "code"),
    [
        ("guest", 404, "not_found"),
        ("user", 404, "not_found"),
        ("model_manager", 404, "not_found"),
        ("moderator", 403, "permission_denied"),
    ],
)
def test_nobody_else_sees_a_users_sessions(
    role: str, status: int, code: str, laptop: Client, alice: User, make_user: type[User]
) -> None:
    make_user("other", role=role)
    other = Client()
    other.sign_in("other")
    path = f"/users/{alice.pk}/sessions"
    assert_problem(other.get(path), status, code)
    assert_problem(other.delete(path), status, code)
    assert laptop.get("/users/me").status_code == 200


@pytest.mark.parametrize("path", ["/sessions", "/auth/logout-all"])
def test_without_a_token_there_is_nothing(path: str, client: Client) -> None:
    method = client.post if path.endswith("all") else client.get
    assert_problem(method(path), 401, "not_authenticated")
