"""Messages that were given up and the oldest that waits, as /metrics tells them."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection
from django.utils import timezone

from accounts import mail_metrics
from accounts.emails import notify
from accounts.models import MailRequest, OutgoingMail, User
from accounts.models.outgoing_mail import MOST_ATTEMPTS
from accounts.services import mail_delivery
from accounts.tasks import deliver_mail
from security.client_info import ClientInfo
from tests.accounts.test_budgets import counted_sql
from tests.client import Client

TOKEN = "a-metrics-token-of-the-tests-0123456789"
FAILED = "auth_mail_failed"
WAITING = "auth_mail_oldest_waiting_seconds"


@pytest.fixture(autouse=True)
def metrics_token(settings: Any) -> None:
    settings.AUTH_METRICS_TOKEN = TOKEN


def scrape() -> dict[str, float]:
    answer = Client(TOKEN).get("//metrics")
    assert answer.status_code == 200
    assert b"auth_requests_total" in answer.content
    found = re.findall(r"^(auth_mail\S*) (\S+)$", answer.content.decode(), re.M)
    return {name: float(value) for name, value in found}


def test_what_was_given_up_is_counted_by_the_job(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scrape() == {WAITING: 0}
    for _ in range(3):
        notify(alice, "password_changed", client=ClientInfo())
    OutgoingMail.objects.update(failed_at=timezone.now())
    MailRequest.objects.create(purpose="reset_password", email="x", attempts=MOST_ATTEMPTS)
    deliver_mail()
    assert scrape() == {FAILED: 4, WAITING: 0}
    monkeypatch.setattr(mail_delivery, "MOST_COUNTED", 2)
    deliver_mail()
    assert scrape()[FAILED] == 3


def test_the_oldest_that_waits_has_an_age_until_it_is_sent(alice: User) -> None:
    for minutes in (50, 70, 60):
        with time_machine.travel(timezone.now() - timedelta(minutes=minutes)):
            notify(alice, "password_changed", client=ClientInfo())
    assert abs(scrape()[WAITING] - 70 * 60) < 60
    deliver_mail()
    assert scrape()[WAITING] == 0


@pytest.mark.shared
def test_a_scrape_and_the_job_read_the_ends_of_indexes(alice: User) -> None:
    with counted_sql() as statements:
        mail_delivery.longest_wait()
        mail_delivery.note_failed()
    looks = [sql for sql in statements if 'FROM "accounts_outgoingmail"' in sql]
    assert len(looks) == 2
    with connection.cursor() as cursor:
        # The table is too small for the planner to bother.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        for sql, index in zip(looks, ["mail_waiting", "mail_failed"], strict=True):
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert f"using {index}" in plan, plan
            assert "Sort" not in plan


def test_without_the_database_the_other_metrics_are_told(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(mail_metrics, "longest_wait", refuse)
    assert scrape() == {}
