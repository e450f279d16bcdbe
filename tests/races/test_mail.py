"""However many workers empty the outbox at once, each message is sent once."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

from tests.databases import drop_database
from tests.races.racing import run_at_once
from tests.service import Service
from tests.smtp_stub import SmtpStub

pytestmark = pytest.mark.shared

MESSAGES = 60
WORKERS = 4
WRITE = f"""
from accounts.models import OutgoingMail
OutgoingMail.objects.bulk_create(
    OutgoingMail(recipient=f"racer{{n}}@example.com", subject="x", body="x")
    for n in range({MESSAGES})
)
"""
DELIVER = "from accounts.services.mail_delivery import deliver_due; print(deliver_due())"


@pytest.fixture
def server() -> Iterator[SmtpStub]:
    with SmtpStub(seconds_a_message=0.02) as stub:
        yield stub


@pytest.fixture
def idle_service(server: SmtpStub) -> Iterator[Service]:
    """A database and settings; no worker of its own that would take part."""
    service = Service.shared(
        os.environ["TEST_DATABASE_URL"],
        os.environ["TEST_REDIS_URL"],
        EMAIL_URL=f"smtp://127.0.0.1:{server.port}",
    )
    assert service.created is not None
    try:
        yield service
    finally:
        drop_database(*service.created)
        shutil.rmtree(service.data, ignore_errors=True)


def test_f31_workers_at_once_send_each_message_once(
    idle_service: Service, server: SmtpStub
) -> None:
    run_at_once(idle_service, WRITE, times=1)
    sent = [int(printed) for printed in run_at_once(idle_service, DELIVER, times=WORKERS)]
    assert sum(sent) == MESSAGES
    assert sum(number > 0 for number in sent) > 1, sent
    received = Counter(to for recipients in server.recipients for to in recipients)
    assert received == {f"racer{n}@example.com": 1 for n in range(MESSAGES)}
    with psycopg.connect(idle_service.environment["DATABASE_URL"]) as connection:
        query = "SELECT attempts, count(sent_at) FROM accounts_outgoingmail GROUP BY attempts"
        assert connection.execute(query).fetchall() == [(1, MESSAGES)]
