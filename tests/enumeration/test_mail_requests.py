"""Nobody learns from asking for a message whether an address belongs to somebody."""

from itertools import product

import pytest

from accounts.models import MailRequest, OutgoingMail
from accounts.services.mail_answers import answer_requests
from tests.client import Client
from tests.enumeration.seeing import WHO, seen

PATHS = ("/auth/password/forgot", "/auth/email/resend")


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("path", PATHS)
def test_the_answer_and_its_work_are_the_same_for_everybody(path: str) -> None:
    all_seen = [seen(path, {"email": f"{name}@example.com"}) for name in WHO]
    assert all_seen == [all_seen[0]] * len(WHO)
    assert all_seen[0]["status"] == 202
    assert all_seen[0]["statements"] == ["INSERT"]
    assert MailRequest.objects.count() == len(WHO)
    assert not OutgoingMail.objects.exists()


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("path", "reached"),
    [
        (PATHS[0], {"known", "unverified", "foreign", "unusable"}),
        (PATHS[1], {"unverified"}),
    ],
)
def test_the_worker_alone_knows_who_gets_a_message(path: str, reached: set[str]) -> None:
    for name in WHO:
        Client().post(path, {"email": f"{name}@example.com"})
    assert answer_requests() == len(WHO)
    sent = set(OutgoingMail.objects.values_list("recipient", flat=True))
    assert sent == {f"{name}@example.com" for name in reached}
    assert not MailRequest.objects.exists()
    assert answer_requests() == 0


@pytest.mark.usefixtures("people", "limits_on")
def test_limits_tell_nothing_and_hold_for_a_mailbox_whoever_asks() -> None:
    """Three an hour of each, in any spelling, from any address; one doesn't use up the other."""
    for name, path in product(("known", "unknown"), PATHS):
        email = f"{name}@example.com"
        answers = [
            Client().post(path, {"email": spelling}, REMOTE_ADDR=f"192.0.2.{number}")
            for number, spelling in enumerate([email, email.upper(), f" {email}", email])
        ]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429], (name, path)
        assert 3500 < int(answers[-1].headers["Retry-After"]) <= 3600


@pytest.mark.usefixtures("people", "limits_on")
@pytest.mark.parametrize("path", PATHS)
def test_an_address_asks_five_times_a_minute_for_whomever(path: str) -> None:
    statuses = [
        Client().post(path, {"email": f"n{number}@example.com"}).status_code for number in range(6)
    ]
    assert statuses == [202] * 5 + [429]


@pytest.mark.usefixtures("people", "limits_on")
def test_a_hundred_wishes_send_three_messages() -> None:
    for number in range(100):
        Client().post(PATHS[0], {"email": "known@example.com"}, REMOTE_ADDR=f"192.0.2.{number}")
    answer_requests()
    assert OutgoingMail.objects.count() == 3


@pytest.mark.usefixtures("people", "limits_on")
def test_tokens_and_codes_are_tried_ten_times_a_minute() -> None:
    tries = [
        ("/auth/email/verify", {"token": "x"}),
        ("/auth/password/reset", {"token": "x", "new_password": "y"}),
        ("/auth/email/verify", {"email": "unverified@example.com", "code": "1"}),
    ] * 4
    statuses = [Client().post(path, body).status_code for path, body in tries]
    assert statuses == [422] * 10 + [429] * 2
