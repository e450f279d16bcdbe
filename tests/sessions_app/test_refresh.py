"""A refresh token is spent once."""

from datetime import timedelta

from accounts.models import OutgoingMail, User
from security.keyring import keyring
from security.models import AuditEvent, SigningKey
from sessions_app.models import DeviceSession
from tests.client import Client, assert_problem


def age_last_refresh(**age: float) -> None:
    """As if the last refresh had been this long ago."""
    for session in DeviceSession.objects.all():
        session.refreshed_at -= timedelta(**age)
        session.save()


def test_a_refresh_gives_the_successor(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    answer = client.refresh(pair["refresh_token"])
    assert answer.status_code == 200
    successor = answer.json()
    assert successor["refresh_token"] != pair["refresh_token"]
    assert successor["session_id"] == pair["session_id"]
    assert successor["message"] == "Token refreshed successfully."
    client.access_token = successor["access_token"]
    assert client.get("/users/me").status_code == 200


def test_a_retry_within_the_grace_gets_the_same_successor(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    first = client.refresh(pair["refresh_token"]).json()
    again = client.refresh(pair["refresh_token"])
    assert again.status_code == 200
    assert again.json()["refresh_token"] == first["refresh_token"]
    assert client.refresh(first["refresh_token"]).status_code == 200


def test_a_reused_refresh_token_ends_the_session(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    newest = client.refresh(pair["refresh_token"]).json()
    age_last_refresh(seconds=11)

    assert_problem(client.refresh(pair["refresh_token"]), 401, "session_ended")

    assert_problem(client.refresh(newest["refresh_token"]), 401, "session_ended")
    client.access_token = newest["access_token"]
    assert_problem(client.get("/users/me"), 401, "session_ended")
    assert AuditEvent.objects.filter(kind="refresh.reused", subject_id=alice.pk).count() == 1
    assert OutgoingMail.objects.get().recipient == "alice@example.com"


def test_an_older_ancestor_has_no_grace(client: Client, alice: User) -> None:
    first = client.sign_in("alice")["refresh_token"]
    second = client.refresh(first).json()["refresh_token"]
    client.refresh(second)
    assert_problem(client.refresh(first), 401, "session_ended")
    assert DeviceSession.objects.get().end_reason == "refresh_reused"


def test_an_idle_session_is_over_without_any_job(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    session = DeviceSession.objects.get()
    session.idle_expires_at = session.created_at
    session.save()
    assert_problem(client.refresh(pair["refresh_token"]), 401, "session_ended")


def test_refreshing_never_moves_the_absolute_limit(client: Client, alice: User) -> None:
    pair = client.sign_in("alice")
    session = DeviceSession.objects.get()
    session.expires_at = session.created_at + timedelta(days=1)
    session.save()
    client.refresh(pair["refresh_token"])
    refreshed = DeviceSession.objects.get()
    assert refreshed.expires_at == session.expires_at
    assert refreshed.idle_expires_at == session.expires_at


def test_a_token_is_not_spent_for_a_successor_that_cannot_be_signed(
    client: Client, alice: User
) -> None:
    pair = client.sign_in("alice")
    sealed = SigningKey.objects.get(state="current").sealed_private_key
    SigningKey.objects.filter(state="current").update(sealed_private_key="broken")
    keyring.forget()
    keyring._signing = None
    assert_problem(client.refresh(pair["refresh_token"]), 503, "signing_unavailable")

    SigningKey.objects.filter(state="current").update(sealed_private_key=sealed)
    keyring.forget()
    age_last_refresh(seconds=11)
    assert client.refresh(pair["refresh_token"]).status_code == 200
