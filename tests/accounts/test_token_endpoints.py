"""Introspection (RFC 7662) and revocation (RFC 7009)."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import OperationalError

from accounts.models import ApiKey, User
from sessions_app.models import DeviceSession
from tests.client import Client, assert_problem


@pytest.fixture
def pair(alice: User) -> dict[str, Any]:
    return Client().sign_in("alice")


@pytest.fixture
def service(bob: User) -> Client:
    """A service that calls with an API key."""
    owner = Client()
    owner.sign_in("bob")
    return Client(owner.post("/api-keys", {"name": "orders"}).json()["key"])


def introspect(client: Client, token: str) -> Any:
    return client.form("/auth/introspect", urlencode({"token": token}))


def revoke(token: str, **hint: str) -> Any:
    return Client().form("/auth/revoke", urlencode({"token": token, **hint}))


def test_a_live_access_token_is_described(
    service: Client, pair: dict[str, Any], alice: User
) -> None:
    told = introspect(service, pair["access_token"]).json()
    assert told["active"] is True
    assert told["sub"] == str(alice.pk)
    assert told["sid"] == pair["session_id"]
    assert (told["token_type"], told["role"], told["aud"]) == ("access", "user", "api")


def test_only_the_present_refresh_token_is_active(service: Client, pair: dict[str, Any]) -> None:
    assert introspect(service, pair["refresh_token"]).json()["token_type"] == "refresh"
    Client().refresh(pair["refresh_token"])
    assert introspect(service, pair["refresh_token"]).json() == {"active": False}


@pytest.mark.parametrize("token", ["x", "a.b.c", "", "é" * 10, "ak_00000000_"])
def test_what_is_no_token_is_just_inactive(service: Client, token: str) -> None:
    answer = introspect(service, token)
    if token == "":
        assert_problem(answer, 422, "validation_error")
    else:
        assert answer.json() == {"active": False}


def test_a_logout_is_seen_at_once(service: Client, pair: dict[str, Any]) -> None:
    assert introspect(service, pair["access_token"]).json()["active"] is True
    Client(pair["access_token"]).post("/auth/logout")
    for name in ("access_token", "refresh_token"):
        assert introspect(service, pair[name]).json() == {"active": False}


def test_only_services_and_admins_may_ask(pair: dict[str, Any], admin: User) -> None:
    token = pair["access_token"]
    assert_problem(introspect(Client(), token), 401, "not_authenticated")
    assert_problem(introspect(Client(token), token), 403, "permission_denied")
    operator = Client()
    operator.sign_in("root")
    assert introspect(operator, token).json()["active"] is True


def test_a_database_that_is_away_makes_no_token_inactive(
    service: Client, pair: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(DeviceSession.objects, "live", gone)
    answer = introspect(service, pair["refresh_token"])
    assert_problem(answer, 503, "temporarily_unavailable")


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense"])
def test_revoking_either_token_ends_the_session(pair: dict[str, Any], name: str, hint: str) -> None:
    assert revoke(pair[name], token_type_hint=hint).status_code == 200
    assert_problem(Client(pair["access_token"]).get("/users/me"), 401, "session_ended")
    assert_problem(Client().refresh(pair["refresh_token"]), 401, "session_ended")


def test_revoking_what_is_not_ours_tells_nothing(pair: dict[str, Any]) -> None:
    for token in ("x", pair["access_token"][:-4] + "AAAA", "a.b.c"):
        answer = revoke(token)
        assert (answer.status_code, answer.json()) == (200, {})
    assert Client(pair["access_token"]).get("/users/me").status_code == 200


def test_a_leaked_api_key_can_be_revoked_by_whoever_finds_it(service: Client) -> None:
    key = str(service.access_token)
    assert service.get("/users/me").status_code == 200
    assert revoke(key).status_code == 200
    assert_problem(service.get("/users/me"), 401, "token_invalid")
    assert not ApiKey.objects.live().exists()


@pytest.mark.parametrize("path", ["/auth/introspect", "/auth/revoke"])
def test_neither_takes_a_get(path: str, service: Client) -> None:
    assert_problem(service.get(path), 405, "method_not_allowed")


def test_the_discovery_documents_name_both(client: Client) -> None:
    told = client.get("//.well-known/oauth-authorization-server").json()
    for name in ("introspection_endpoint", "revocation_endpoint"):
        path = told[name].removeprefix(told["issuer"])
        assert client.post(f"/{path}").status_code != 404
