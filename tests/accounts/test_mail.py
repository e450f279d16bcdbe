"""Messages: written with what they tell about, delivered later, once."""

from datetime import timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts.emails import notify
from accounts.models import OutgoingMail, User
from accounts.services.mail_delivery import MOST_ATTEMPTS, deliver_due, prune_delivered
from security.client_info import ClientInfo

CLIENT = ClientInfo(ip_address="192.0.2.7", user_agent="curl/8.1")


@pytest.fixture
def broken_mail_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise SMTPServerDisconnected("gone")

    monkeypatch.setattr("accounts.services.mail_delivery.send_mail", refuse)


def test_a_notice_is_delivered_once_and_its_text_forgotten(alice: User) -> None:
    notify(alice, "password_changed", client=CLIENT)
    assert deliver_due() == 1
    assert deliver_due() == 0
    message = mail.outbox[0]
    assert message.to == ["alice@example.com"]
    assert message.subject == "Authentication: your password was changed"
    assert "192.0.2.7" in str(message.body)
    assert OutgoingMail.objects.get().body == ""


def test_a_user_without_an_address_gets_none(alice: User) -> None:
    alice.email = None
    notify(alice, "deactivated", client=CLIENT)
    assert not OutgoingMail.objects.exists()


def test_markup_in_a_name_or_device_stays_text(alice: User) -> None:
    hostile = ClientInfo(user_agent="{{7*7}}{% debug %}<b>/1")
    notify(alice, "password_changed", client=hostile)
    assert "{{7*7}}{% debug %}<b>" in OutgoingMail.objects.get().body


@pytest.mark.usefixtures("broken_mail_server")
def test_a_failed_delivery_is_repeated_later_and_given_up_in_the_end(alice: User) -> None:
    notify(alice, "password_changed", client=CLIENT)
    assert deliver_due() == 0
    waiting = OutgoingMail.objects.get()
    assert waiting.next_attempt_at > timezone.now() + timedelta(seconds=50)
    assert deliver_due() == 0
    assert OutgoingMail.objects.get().attempts == 1
    for _ in range(MOST_ATTEMPTS - 1):
        OutgoingMail.objects.update(next_attempt_at=timezone.now())
        deliver_due()
    given_up = OutgoingMail.objects.get()
    assert given_up.attempts == MOST_ATTEMPTS
    assert given_up.failed_at is not None
    assert given_up.body != ""


def test_delivered_messages_are_pruned_and_failed_ones_kept(alice: User) -> None:
    long_ago = timezone.now() - timedelta(days=31)
    for _ in range(2):
        notify(alice, "password_changed", client=CLIENT)
    sent, failed = OutgoingMail.objects.all()
    OutgoingMail.objects.filter(pk=sent.pk).update(sent_at=long_ago)
    OutgoingMail.objects.filter(pk=failed.pk).update(failed_at=long_ago)
    assert prune_delivered() == 1
    assert OutgoingMail.objects.get() == failed
