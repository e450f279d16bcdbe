"""Messages at the console: whether they arrived, never what is in them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import OutgoingMail, Role, User
from accounts.services.mail_answers import answer_requests
from accounts.services.mail_delivery import deliver_due
from security.models import AuditEvent
from tests.client import Client
from tests.console.conftest import Console, change_path

LIST = "/admin/accounts/outgoingmail/"


@pytest.fixture
def mails(make_user: Callable[..., User]) -> dict[str, OutgoingMail]:
    """One in each state, by its state."""
    for name in ("waiting", "sent", "failed"):
        make_user(name)
        Client().post("/auth/password/forgot", {"email": f"{name}@example.com"})
    answer_requests()
    now = timezone.now()
    waiting = OutgoingMail.objects.filter
    waiting(recipient="sent@example.com").update(sent_at=now, attempts=1)
    waiting(recipient="failed@example.com").update(
        failed_at=now, attempts=10, failure="SMTPServerDisconnected"
    )
    return {row.recipient.partition("@")[0]: row for row in OutgoingMail.objects.all()}


def listed(console: Console, **asked: str) -> set[str]:
    answer = console.get(LIST, asked)
    return {row.recipient.partition("@")[0] for row in answer.context["cl"].result_list}


def send_again(console: Console, *rows: OutgoingMail) -> Any:
    sent = {"action": "send_again", "_selected_action": [str(row.pk) for row in rows]}
    return console.post(LIST, sent, follow=True)


def test_all_are_listed_and_found_by_their_state(
    operator: Console, mails: dict[str, OutgoingMail]
) -> None:
    assert listed(operator) == set(mails)
    for state in mails:
        assert listed(operator, state=state) == {state}


@pytest.mark.parametrize("text", ["sent@example.com", "SENT@Example.com", "sent"])
def test_whose_messages_are_found_in_any_spelling(
    operator: Console, mails: dict[str, OutgoingMail], text: str
) -> None:
    assert listed(operator, q=text) == {"sent"}
    assert listed(operator, q=text[:-1]) == set()


def test_messages_to_an_address_that_nobody_has_any_more_are_found(
    operator: Console, mails: dict[str, OutgoingMail]
) -> None:
    User.objects.get(username="sent").delete()
    assert listed(operator, q="sent@example.com") == {"sent"}


def test_what_is_in_a_message_is_nowhere(operator: Console, mails: dict[str, OutgoingMail]) -> None:
    for row in mails.values():
        link = row.text().partition("#token=")[2].split()[0]
        for html in (operator.html(LIST), operator.html(change_path(row))):
            assert row.recipient in html
            assert link not in html
            assert row.body not in html
            assert "somebody asked" not in html.lower()


def test_what_failed_is_sent_again_and_audited(
    operator: Console, admin: User, mails: dict[str, OutgoingMail]
) -> None:
    answer = send_again(operator, *mails.values())
    assert operator.texts(answer) == ["Messages to be sent again: 1."]
    row = OutgoingMail.objects.get(pk=mails["failed"].pk)
    assert (row.state, row.attempts) == ("waiting", 0)
    event = AuditEvent.objects.get(kind="mail.resent")
    assert (event.actor_id, event.details) == (admin.pk, {"mail": str(row.pk)})
    assert deliver_due() == 2
    assert OutgoingMail.objects.get(pk=row.pk).state == "sent"


def test_who_may_look_sends_nothing_again(
    console: Console,
    make_user: Callable[..., User],
    make_role: Callable[..., Role],
    mails: dict[str, OutgoingMail],
) -> None:
    make_role("support", "accounts.view_outgoingmail")
    make_user("helper", role="support")
    console.sign_in("helper")
    assert listed(console) == set(mails)
    send_again(console, mails["failed"])
    assert OutgoingMail.objects.get(pk=mails["failed"].pk).state == "failed"
    assert not AuditEvent.objects.filter(kind="mail.resent").exists()
    make_role("postmaster", "accounts.view_outgoingmail", "accounts.resend_outgoingmail")
    make_user("post", role="postmaster")
    console.sign_in("post")
    send_again(console, mails["failed"])
    assert OutgoingMail.objects.get(pk=mails["failed"].pk).state == "waiting"


@pytest.mark.parametrize("page", ["add/", "{pk}/delete/"])
def test_nobody_writes_or_deletes_a_message(
    operator: Console, mails: dict[str, OutgoingMail], page: str
) -> None:
    assert operator.get(LIST + page.format(pk=mails["sent"].pk)).status_code == 403
    operator.post(change_path(mails["sent"]), {"subject": "changed"})
    assert OutgoingMail.objects.get(pk=mails["sent"].pk).subject == mails["sent"].subject


def test_who_may_not_view_messages_sees_no_page(
    console: Console, make_user: Callable[..., User], make_role: Callable[..., Role]
) -> None:
    make_role("support", "accounts.view_user")
    make_user("helper", role="support")
    console.sign_in("helper")
    assert console.get(LIST).status_code == 403
