"""What becomes of messages while the mail server is away, slow, refusing or broken."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.emails import notify
from accounts.models import MailRequest, OutgoingMail, User
from accounts.models.outgoing_mail import MOST_ATTEMPTS
from accounts.services import mail_delivery
from accounts.services.mail_delivery import deliver_due, prune_outbox
from accounts.tasks import deliver_mail
from authsite.environment import Environment
from security.client_info import ClientInfo
from tests.client import PASSWORD, Client
from tests.servers import free_port
from tests.smtp_stub import SmtpStub

CLIENT = ClientInfo(ip_address="192.0.2.7", user_agent="curl/8.1")


def use(settings: Any, url: str) -> None:
    """Send by the mail server that EMAIL_URL names."""
    settings.EMAIL_USE_TLS = False
    for name, value in Environment({"EMAIL_URL": url}).email(default="consolemail://").items():
        setattr(settings, name, value)
    settings.EMAIL_TIMEOUT = 0.5


@pytest.fixture
def server(settings: Any) -> Iterator[SmtpStub]:
    with SmtpStub() as stub:
        use(settings, f"smtp://127.0.0.1:{stub.port}")
        yield stub


def written(alice: User, times: int = 1) -> None:
    for _ in range(times):
        notify(alice, "password_changed", client=CLIENT)


def come_due() -> None:
    OutgoingMail.objects.update(next_attempt_at=timezone.now())


def test_a_server_that_hangs_is_left_after_ten_seconds(settings: Any) -> None:
    assert settings.EMAIL_TIMEOUT == 10


def test_several_messages_go_over_one_connection(server: SmtpStub, alice: User) -> None:
    written(alice, times=3)
    assert deliver_due() == 3
    assert server.connections == 1
    assert server.recipients == [["alice@example.com"]] * 3
    assert server.messages[0].get_content_type() == "multipart/alternative"


def test_without_anything_to_send_the_server_is_left_alone(server: SmtpStub, db: None) -> None:
    assert deliver_due() == 0
    assert server.connections == 0


@pytest.mark.parametrize("mood", ["hanging", "leaving", "dropping", "refusing_tls", "without_tls"])
def test_f31_a_broken_server_costs_one_message_one_attempt_a_run(
    server: SmtpStub, settings: Any, alice: User, mood: str
) -> None:
    if mood.endswith("_tls"):
        use(settings, f"smtp+tls://127.0.0.1:{server.port}")
    server.mood = mood
    written(alice, times=3)
    assert deliver_due() == 0
    attempts = OutgoingMail.objects.order_by("attempts").values_list("attempts", flat=True)
    assert list(attempts) == [0, 0, 1]
    [tried] = OutgoingMail.objects.filter(attempts=1)
    assert tried.failure
    assert tried.state == "waiting"
    assert tried.next_attempt_at > timezone.now() + timedelta(seconds=50)
    use(settings, f"smtp://127.0.0.1:{server.port}")
    server.mood = "well"
    assert deliver_due() == 2
    come_due()
    assert deliver_due() == 1


def test_f31_a_server_that_is_down_is_tried_for_hours_and_the_message_kept(
    settings: Any, alice: User
) -> None:
    use(settings, f"smtp://127.0.0.1:{free_port()}")
    written(alice)
    waits = []
    for _ in range(MOST_ATTEMPTS):
        come_due()
        deliver_due()
        waits.append(OutgoingMail.objects.get().next_attempt_at - timezone.now())
    minutes = [round(wait.total_seconds() / 60) for wait in waits]
    assert minutes == [2**number for number in range(MOST_ATTEMPTS)]
    given_up = OutgoingMail.objects.get()
    assert (given_up.state, given_up.failure) == ("failed", "ConnectionRefusedError")
    assert given_up.body
    come_due()
    assert deliver_due() == 0
    assert OutgoingMail.objects.get().attempts == MOST_ATTEMPTS


@pytest.mark.parametrize(
    ("mood", "failure"),
    [("rejecting", "SMTPRecipientsRefused 550"), ("refusing", "SMTPDataError 554")],
)
def test_f31_what_the_server_refuses_for_good_is_given_up_at_once(
    server: SmtpStub, alice: User, mood: str, failure: str
) -> None:
    server.mood = mood
    written(alice, times=2)
    assert deliver_due() == 0
    for given_up in OutgoingMail.objects.all():
        assert (given_up.state, given_up.attempts) == ("failed", 1)
        # Without the server's words, which name the recipient.
        assert given_up.failure == failure


def test_f31_who_can_t_be_reached_now_is_tried_later_and_holds_up_nobody(
    server: SmtpStub, alice: User
) -> None:
    server.mood = "busy"
    written(alice, times=2)
    assert deliver_due() == 0
    assert [row.attempts for row in OutgoingMail.objects.all()] == [1, 1]
    assert {row.failure for row in OutgoingMail.objects.all()} == {"SMTPRecipientsRefused 451"}
    server.mood = "well"
    come_due()
    assert deliver_due() == 2


def test_f31_a_message_whose_receipt_was_lost_comes_again_under_the_same_id(
    server: SmtpStub, alice: User
) -> None:
    server.mood = "dropping"
    written(alice)
    assert deliver_due() == 0
    server.mood = "well"
    come_due()
    assert deliver_due() == 1
    first, second = server.messages
    assert first["Message-ID"] == second["Message-ID"]


def test_s2_97_nothing_is_said_in_clear_where_tls_is_demanded(
    server: SmtpStub, settings: Any, alice: User
) -> None:
    use(settings, f"smtp+tls://user:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{server.port}")
    assert settings.EMAIL_HOST_PASSWORD == PASSWORD
    written(alice, times=3)
    for mood in ("breaking_tls", "refusing_tls", "without_tls"):
        server.mood = mood
        assert deliver_due() == 0
    assert server.connections == 3
    verbs = {command.split(" ")[0].upper() for command in server.commands}
    assert verbs <= {"EHLO", "STARTTLS", "QUIT"}
    assert not server.messages


@pytest.mark.parametrize("mood", ["hanging", "rejecting", "dropping"])
def test_s2_59_the_mail_server_changes_no_answer(server: SmtpStub, alice: User, mood: str) -> None:
    """Requests write rows; none of them speaks to the mail server."""
    server.mood = mood
    forgot = [
        Client().post("/auth/password/forgot", {"email": f"{name}@example.com"})
        for name in ("alice", "nobody")
    ]
    assert [answer.status_code for answer in forgot] == [202, 202]
    assert forgot[0].content == forgot[1].content
    body = {"email": "new@example.com", "password": PASSWORD}
    assert Client().post("/auth/register", body).status_code < 300
    assert server.connections == 0


# Registered before addresses were ASCII; IDNA encodes neither.
@pytest.mark.parametrize("address", ["a@xn--ü.example", f"a@{'ü' * 63}.example"])
def test_an_address_that_no_mail_can_be_written_to_stops_no_other(
    server: SmtpStub, alice: User, address: str
) -> None:
    for email in (address, "new@example.com"):
        alice.email = email
        alice.save()
        written(alice)
    deliver_mail()
    states = {row.recipient: row.state for row in OutgoingMail.objects.all()}
    assert states == {address: "failed", "new@example.com": "sent"}
    assert server.recipients == [["new@example.com"]]


@pytest.mark.parametrize("column", ["recipient", "subject"])
def test_s2_96_a_line_break_that_got_into_a_header_sends_nothing(
    server: SmtpStub, alice: User, column: str
) -> None:
    written(alice)
    OutgoingMail.objects.update(**{column: "alice@example.com\r\nBcc: x@evil.example"})
    assert deliver_due() == 0
    assert OutgoingMail.objects.get().state == "failed"
    assert not server.recipients


def test_a_message_that_a_worker_died_of_is_given_up_in_the_end(
    server: SmtpStub, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: OutgoingMail) -> None:
        raise SystemExit

    written(alice)
    with monkeypatch.context() as patch:
        patch.setattr(mail_delivery, "compose", die)
        for _ in range(MOST_ATTEMPTS):
            come_due()
            with pytest.raises(SystemExit):
                deliver_due()
    assert deliver_due() == 0
    come_due()
    assert deliver_due() == 0
    assert OutgoingMail.objects.get().state == "failed"
    assert server.connections == 0


def test_a_message_is_claimed_from_the_moment_of_its_own_attempt(
    server: SmtpStub, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late in a slow run, another worker must still find it taken."""
    written(alice, times=2)
    left: list[timedelta] = []
    compose = mail_delivery.compose

    with time_machine.travel(timezone.now(), tick=False) as clock:

        def slowly(row: OutgoingMail) -> Any:
            left.append(OutgoingMail.objects.get(pk=row.pk).next_attempt_at - timezone.now())
            clock.shift(timedelta(minutes=6))
            return compose(row)

        monkeypatch.setattr(mail_delivery, "compose", slowly)
        monkeypatch.setattr(mail_delivery, "LONGEST_RUN_SECONDS", 3600)
        assert deliver_due() == 2
    assert left == [timedelta(minutes=5)] * 2


def test_a_slow_server_does_not_hold_the_worker(
    server: SmtpStub, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_delivery, "LONGEST_RUN_SECONDS", -1)
    written(alice)
    assert deliver_due() == 0
    assert OutgoingMail.objects.get().attempts == 0


@pytest.mark.parametrize("column", ["sent_at", "failed_at"])
def test_old_messages_are_pruned_whether_they_arrived_or_not(
    alice: User, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    monkeypatch.setattr(mail_delivery, "PRUNING_SLICE", 2)
    with time_machine.travel(timezone.now() - timedelta(days=31)):
        written(alice, times=7)
        OutgoingMail.objects.update(**{column: timezone.now()})
    waiting, just_over, *_ = OutgoingMail.objects.all()
    OutgoingMail.objects.filter(pk=waiting.pk).update(**{column: None})
    OutgoingMail.objects.filter(pk=just_over.pk).update(**{column: timezone.now()})
    assert prune_outbox() == 5
    assert set(OutgoingMail.objects.all()) == {waiting, just_over}


def test_a_failed_request_is_pruned_and_a_waiting_one_is_not(client: Client) -> None:
    with time_machine.travel(timezone.now() - timedelta(days=31)):
        for name in ("failed", "waiting"):
            client.post("/auth/password/forgot", {"email": f"{name}@example.com"})
    MailRequest.objects.filter(email="failed@example.com").update(attempts=MOST_ATTEMPTS)
    assert prune_outbox() == 1
    assert MailRequest.objects.get().email == "waiting@example.com"
