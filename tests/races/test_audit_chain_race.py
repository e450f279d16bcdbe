"""Several processes record and chain at once: every event gets one link, and the chain is whole."""

import json

import pytest

from tests.races.racing import run_at_once
from tests.races.test_rotation_race import unstarted_service

pytestmark = pytest.mark.shared

PROCESSES = 4
# Each event commits up to some milliseconds after its id was made, in no order, while others chain.
RECORD_AND_CHAIN = """
import random, time
from django.db import IntegrityError, OperationalError, transaction
from security.audit import Kind, record
from security.audit_chain import chain_batch
for n in range(60):
    with transaction.atomic():
        record(Kind.LOGIN_FAILED, n=n)
        time.sleep(random.random() / 200)
    if n % 3 == 0:
        try:
            chain_batch()
        except (IntegrityError, OperationalError):
            print("refused")
"""
CHAIN_THE_REST = "from security.audit_chain import chain_batch\nchain_batch()"


def test_every_event_is_linked_once_whoever_chains() -> None:
    with unstarted_service() as service:
        run_at_once(service, RECORD_AND_CHAIN, times=PROCESSES)
        run_at_once(service, CHAIN_THE_REST, times=1)
        verdict = json.loads(service.manage("verify_audit", "--json"))
    assert verdict["ok"]
    assert (verdict["events"], verdict["unchained"]) == (PROCESSES * 60, 0)
