"""The database refuses to change the trail, whoever asks: the tests speak to it past record()."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from security.append_only import CONTENT, LINK, PERSONAL, install, lift
from security.audit import Kind, record
from security.client_info import ClientInfo
from security.identifiers import uuid7
from security.models import AuditEvent

pytestmark = pytest.mark.django_db

OTHER: dict[str, Any] = {
    "id": uuid7(),
    "kind": "login.failed",
    "actor_id": uuid4(),
    "subject_id": uuid4(),
    "session_id": uuid4(),
    "request_id": "another",
    "details": {"reason": "another"},
    "created_at": "2020-01-01T00:00:00Z",
    "personal_digest": "00",
    "ip_address": "192.0.2.99",
    "user_agent": "another",
    "personal": {"after": {"username": "another"}},
    "salt": "00",
    "digest": "00",
}
NOTHING: dict[str, Any] = {"ip_address": None, "user_agent": "", "personal": {}, "salt": ""}


@pytest.fixture
def event() -> QuerySet[AuditEvent]:
    client = ClientInfo(ip_address="192.0.2.1", user_agent="curl/8", request_id="request-1")
    pk = record(Kind.USER_CHANGED, client=client, after={"username": "alice"}).pk
    return AuditEvent.objects.filter(pk=pk)


def refused(change: Callable[[], Any]) -> bool:
    before = list(AuditEvent.objects.values())
    try:
        with transaction.atomic():
            change()
    except IntegrityError as error:
        unchanged = list(AuditEvent.objects.values()) == before
        return unchanged and "append-only" in str(error)
    return False


def test_the_tests_know_every_column() -> None:
    columns = {field.column for field in AuditEvent._meta.concrete_fields}
    assert {*CONTENT, *LINK, *PERSONAL} == columns == {*OTHER, "seq"}


@pytest.mark.parametrize("column", OTHER)
def test_no_column_can_be_changed(event: QuerySet[AuditEvent], column: str) -> None:
    assert refused(lambda: event.update(**{column: OTHER[column]}))
    assert refused(lambda: event.update(**{**NOTHING, column: OTHER[column]}))


def test_a_part_of_the_personal_data_cant_be_emptied(event: QuerySet[AuditEvent]) -> None:
    for column in NOTHING:
        rest = {name: value for name, value in NOTHING.items() if name != column}
        assert refused(lambda rest=rest: event.update(**rest)), column


def test_erased_data_doesnt_come_back(event: QuerySet[AuditEvent]) -> None:
    was = event.values(*NOTHING).get()
    assert not refused(lambda: event.update(**NOTHING))
    assert refused(lambda: event.update(**was))


def test_a_link_is_given_once(event: QuerySet[AuditEvent]) -> None:
    assert not refused(lambda: event.update(seq=10**9, digest="aa"))
    for change in (
        {"seq": 10**9 + 1},
        {"digest": "bb"},
        {"seq": None},
        {"seq": None, "digest": ""},
    ):
        assert refused(lambda change=change: event.update(**change)), change


def test_events_cant_be_deleted(event: QuerySet[AuditEvent]) -> None:
    assert refused(event.delete)
    assert refused(lambda: AuditEvent.objects.all().delete())


@pytest.mark.shared
def test_the_table_cant_be_emptied(event: QuerySet[AuditEvent]) -> None:
    def truncate() -> None:
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE security_auditevent")

    assert refused(truncate)


def test_the_triggers_can_be_lifted_and_put_back(event: QuerySet[AuditEvent]) -> None:
    lift(connection)
    event.update(details={"reason": "tampered"})
    AuditEvent.objects.exclude(pk=event.get().pk).delete()
    install(connection)
    assert refused(lambda: event.update(details={}))
