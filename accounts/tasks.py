"""Periodic work on messages and users."""

from datetime import timedelta

from celery import shared_task

from accounts.services import decoys
from accounts.services.mail_answers import answer_requests
from accounts.services.mail_delivery import JOB, deliver_due, note_failed, prune_outbox
from accounts.services.one_time_tokens import prune_tokens
from accounts.services.registration_answers import answer_registrations
from security.jobs import exclusively


@shared_task(name="accounts.deliver_mail")
def deliver_mail() -> None:
    # Not much longer than a run takes: a worker that is killed holds up mail for so long.
    with exclusively(JOB, lease=timedelta(seconds=90)) as mine:
        if mine:
            answer_registrations()
            answer_requests()
            deliver_due()
            note_failed()


@shared_task(name="accounts.prune_mail")
def prune_mail() -> None:
    prune_outbox()
    prune_tokens()


@shared_task(name="accounts.sample_hashes")
def sample_hashes() -> None:
    decoys.sample_hashes()
