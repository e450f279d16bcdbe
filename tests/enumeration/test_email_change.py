"""Nobody learns from asking for another address whether somebody has it."""

from collections.abc import Callable

import pytest

from accounts.models import OutgoingMail, User
from accounts.services.mail_answers import answer_requests
from tests.client import PASSWORD, Client
from tests.enumeration.seeing import WHO, seen

CHANGE = "/auth/email/change"


@pytest.mark.usefixtures("people")
def test_the_answer_and_its_work_are_the_same_for_everybody(
    make_user: Callable[..., User],
) -> None:
    make_user("asking")
    client = Client()
    client.sign_in("asking")
    # What the first request leaves in the cache is not the subject.
    client.get("/users/me")
    answers = [
        seen(CHANGE, {"new_email": f"{name}@example.com", "password": PASSWORD}, client)
        for name in WHO
    ]
    assert answers == [answers[0]] * len(WHO)
    assert answers[0]["status"] == 202
    assert not OutgoingMail.objects.exclude(subject__contains="device").exists()
    answer_requests()
    subjects = OutgoingMail.objects.values_list("recipient", "subject")
    told = {recipient for recipient, subject in subjects if "somebody wanted" in subject}
    assert told == {f"{name}@example.com" for name in WHO if name not in {"service", "unknown"}}
