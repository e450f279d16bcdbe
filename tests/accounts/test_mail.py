"""Messages: written with what they tell about, delivered later, as text and HTML."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core import mail
from django.db import OperationalError
from django.utils import timezone

from accounts.emails import NewToken, notify, send_link
from accounts.models import MailRequest, OutgoingMail, RegistrationRequest, User
from accounts.models.outgoing_mail import MOST_ATTEMPTS
from accounts.services import mail_answers, registration_answers
from accounts.services.mail_answers import answer_requests
from accounts.services.mail_delivery import count_failed, deliver_due, send_again
from accounts.tasks import deliver_mail
from security.client_info import ClientInfo
from security.models import JobRun
from tests.client import Client

CLIENT = ClientInfo(ip_address="192.0.2.7", user_agent="curl/8.1")
TOKEN = NewToken("x" * 43, "", timedelta(hours=1), timedelta(minutes=10))
LAYOUT = {"html", "head", "meta", "title", "body", "div", "p"}
HOSTILE = [
    "a\r\nBcc: x@evil.example",
    "a\nBcc: x@evil.example\n\nhttps://evil.example/account/reset#token=x",
    "{{1234*5678}}{% debug %}",
    "<a href=//evil.example>click</a>",
    "https://evil.example/x",
    "evil.example",
]


class Markup(HTMLParser):
    """What is markup in a page, and what is text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.shown = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        self.shown += data


def sent() -> EmailMessage:
    """The one message that the worker sends now, to alice alone, as it goes over the wire."""
    assert deliver_due() == 1
    message = mail.outbox.pop()
    assert not mail.outbox
    assert message.recipients() == ["alice@example.com"]
    wire = message.message().as_bytes()
    parsed = message_from_bytes(wire, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def markup_of(message: EmailMessage) -> Markup:
    part = message.get_body(("html",))
    assert part is not None
    return Markup(part.get_content())


def test_a_notice_is_delivered_once_and_its_text_forgotten(alice: User) -> None:
    notify(alice, "password_changed", client=CLIENT)
    message = sent()
    assert deliver_due() == 0
    assert message["Subject"] == "Authentication: your password was changed"
    assert "192.0.2.7" in text_of(message)
    assert OutgoingMail.objects.get().body == ""


def test_a_user_without_an_address_gets_none(alice: User) -> None:
    alice.email = None
    notify(alice, "deactivated", client=CLIENT)
    assert not OutgoingMail.objects.exists()


def test_a_message_is_text_and_the_same_in_html(alice: User) -> None:
    notify(alice, "password_changed", client=CLIENT)
    message = sent()
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain",
        "text/html",
    ]
    markup = markup_of(message)
    for paragraph in text_of(message).strip().split("\n\n"):
        assert paragraph in markup.shown
    assert markup.tags == LAYOUT
    assert not markup.addresses


def test_link_and_code_of_a_message_are_there_to_press_and_to_read(alice: User) -> None:
    Client().post("/auth/email/resend", {"email": "alice@example.com"})
    answer_requests()
    message = sent()
    markup = markup_of(message)
    assert markup.tags == LAYOUT | {"a"}
    [link] = re.findall(r"^\S+#token=\S+$", text_of(message), re.M)
    [code] = re.findall(r"^[0-9]{6}$", text_of(message), re.M)
    assert markup.addresses == [link]
    assert markup.shown.count(code) == 1


def test_a_message_says_that_nobody_wrote_it_and_which_it_is(alice: User) -> None:
    notify(alice, "password_changed", client=CLIENT)
    row = OutgoingMail.objects.get()
    first = sent()
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["Message-ID"] == f"<{row.pk}@localhost>"
    # Nobody knew that it had arrived.
    row.save()
    assert sent()["Message-ID"] == first["Message-ID"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", ["device", "username", "PROJECT_NAME", "first_name", "last_name"])
def test_s2_96_what_somebody_chose_is_literal_text_in_one_message(
    alice: User, settings: Any, place: str, text: str
) -> None:
    client = CLIENT
    if place == "device":
        client = ClientInfo(user_agent=text)
    elif place == "PROJECT_NAME":
        settings.PROJECT_NAME = text
    else:
        setattr(alice, place, text)
    for send in (
        lambda: notify(alice, "password_changed", client=client),
        lambda: send_link(alice, "set_password", to=str(alice.email), token=TOKEN, client=client),
    ):
        send()
        message = sent()
        assert message["Bcc"] is None
        assert message["Cc"] is None
        markup = markup_of(message)
        assert markup.tags <= LAYOUT | {"a"}
        assert all(a.startswith("http://localhost:8000/account/reset#") for a in markup.addresses)
        assert "7006652" not in text_of(message)
        if place == "PROJECT_NAME":
            assert " ".join(text.split()) in message["Subject"]
            assert " ".join(text.split()) in markup.shown


@pytest.mark.parametrize("agent", ["evil.example", "www.Evil.Example now", "x@evil.example"])
def test_no_device_reads_like_a_link(alice: User, agent: str) -> None:
    notify(alice, "new_device", client=ClientInfo(user_agent=agent))
    message = sent()
    for text in (text_of(message), markup_of(message).shown):
        assert not re.search(r"evil\.example", text, re.I)
        assert re.search(r"evil\[\.\]example", text, re.I)


def test_a_device_that_is_no_browser_stays_readable(alice: User) -> None:
    notify(alice, "password_changed", client=ClientInfo(user_agent="{{1234*5678}}{%debug%}<b>/1"))
    assert "{{1234*5678}}{%debug%}<b>" in OutgoingMail.objects.get().body


def test_no_device_is_a_letter_of_its_own(alice: User) -> None:
    agent = "Urgent! Your account is closed, call us/1"
    notify(alice, "new_device", client=ClientInfo(user_agent=agent))
    assert "from Urgent! (" in OutgoingMail.objects.get().body


def test_a_long_project_name_stops_no_sign_in(alice: User, settings: Any) -> None:
    settings.PROJECT_NAME = "x" * 300
    notify(alice, "password_changed", client=CLIENT)
    assert sent()["Subject"].strip() == "x" * 200


def test_a_link_that_is_over_is_sent_to_nobody(alice: User, admin: User) -> None:
    short = NewToken("x" * 43, "", timedelta(minutes=-1), timedelta(minutes=10))
    send_link(alice, "reset_password", to="alice@example.com", token=short, client=CLIENT)
    send_link(alice, "reset_password", to="alice@example.com", token=TOKEN, client=CLIENT)
    assert deliver_due() == 1
    over = OutgoingMail.objects.failed().get()
    assert over.failure == "Expired"
    assert not send_again(mail=over, actor=admin, client=CLIENT)
    assert deliver_due() == 0


@pytest.mark.parametrize("error", [OperationalError("gone"), TypeError("a mistake of ours")])
def test_what_fails_unexpectedly_stops_no_registration(
    db: None, settings: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    settings.AUTH_CONCEAL_ACCOUNTS, settings.AUTH_EMAIL_VERIFICATION = True, "required"
    for name in ("held", "free"):
        body = {"email": f"{name}@example.com", "password": "eleven tapirs under moons"}
        assert Client().post("/auth/register", body).status_code == 202
    store = registration_answers.store_user

    def fail(user: User, *args: Any, **given: Any) -> User:
        if user.email == "held@example.com":
            raise error
        return store(user, *args, **given)

    monkeypatch.setattr(registration_answers, "store_user", fail)
    deliver_mail()
    assert [message.to for message in mail.outbox] == [["free@example.com"]]
    assert RegistrationRequest.objects.get().attempts == 1


@pytest.fixture
def one_request_fails(
    monkeypatch: pytest.MonkeyPatch, make_user: Callable[..., User]
) -> Iterator[pytest.MonkeyPatch]:
    """Two ask for a link; for the first of them no token can be made, as if its row were held."""
    for name in ("held", "free"):
        make_user(name)
        Client().post("/auth/password/forgot", {"email": f"{name}@example.com"})
    issue = mail_answers.issue

    def hold(*, user: User, **given: Any) -> Any:
        if user.username == "held":
            raise OperationalError("canceling statement due to lock timeout")
        return issue(user=user, **given)

    with monkeypatch.context() as patch:
        patch.setattr(mail_answers, "issue", hold)
        yield patch


@pytest.mark.usefixtures("one_request_fails")
def test_a_request_that_fails_stops_no_other() -> None:
    deliver_mail()
    assert [message.to for message in mail.outbox] == [["free@example.com"]]
    request = MailRequest.objects.get()
    assert (request.email, request.attempts) == ("held@example.com", 1)
    assert request.next_attempt_at > timezone.now()
    assert JobRun.objects.get(name="deliver-mail").locked_until is None


def test_a_request_that_failed_is_answered_when_it_can_be(
    one_request_fails: pytest.MonkeyPatch,
) -> None:
    answer_requests()
    MailRequest.objects.update(next_attempt_at=timezone.now())
    one_request_fails.undo()
    answer_requests()
    recipients = OutgoingMail.objects.order_by("pk").values_list("recipient", flat=True)
    assert list(recipients) == ["free@example.com", "held@example.com"]
    assert not MailRequest.objects.exists()


@pytest.mark.usefixtures("one_request_fails")
def test_a_request_that_always_fails_is_kept_and_counted_in_the_end() -> None:
    for _ in range(MOST_ATTEMPTS + 2):
        MailRequest.objects.update(next_attempt_at=timezone.now())
        deliver_mail()
    assert MailRequest.objects.get().attempts == MOST_ATTEMPTS
    assert count_failed() == 1
