"""Periodic work on users' messages."""

from datetime import timedelta

from celery import shared_task

from accounts.services.mail_answers import answer_requests
from accounts.services.mail_delivery import deliver_due, prune_delivered
from accounts.services.one_time_tokens import prune_tokens
from security.jobs import exclusively


@shared_task(name="accounts.deliver_mail")
def deliver_mail() -> None:
    with exclusively("deliver-mail", lease=timedelta(minutes=5)) as mine:
        if mine:
            answer_requests()
            deliver_due()


@shared_task(name="accounts.prune_mail")
def prune_mail() -> None:
    prune_delivered()
    prune_tokens()
