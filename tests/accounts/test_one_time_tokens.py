"""Mailed tokens: stored as digests, used once, ended by whatever makes them out of date."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts.emails import NewToken
from accounts.models import OneTimeToken, OutgoingMail, User
from accounts.models.one_time_token import Purpose
from accounts.services.mail_answers import answer_requests
from accounts.services.mail_delivery import deliver_due
from accounts.services.one_time_tokens import (
    CODE_TTL,
    MOST_TRIES,
    find,
    find_by_code,
    issue,
    prune_tokens,
    use,
)
from accounts.services.passwords import set_password
from accounts.services.users import change_user, delete_user
from accounts.tasks import prune_mail
from security.errors import FieldError
from tests.accounts.mailbox import letter, other_code
from tests.client import PASSWORD, Client

NEW = "tapir under seven moons"


def refused(call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    with pytest.raises(FieldError) as caught:
        call(*arguments, **named)
    assert caught.value.errors[0][1] == "invalid_or_expired"


def pass_time(span: timedelta) -> None:
    """The clock of what is stored, without any job having run."""
    for token in OneTimeToken.objects.all():
        token.expires_at -= span
        if token.code_expires_at:
            token.code_expires_at -= span
        token.save()


@pytest.fixture
def token(alice: User) -> NewToken:
    return issue(user=alice, purpose=Purpose.VERIFY_EMAIL)


def test_the_table_holds_neither_the_token_nor_the_code(token: NewToken) -> None:
    row = OneTimeToken.objects.get()
    assert len(token.text) >= 43
    assert row.digest == hashlib.sha256(token.text.encode()).hexdigest()
    stored = " ".join(str(value) for value in OneTimeToken.objects.values().get().values())
    assert token.text not in stored
    assert row.code_digest != hashlib.sha256(token.code.encode()).hexdigest()
    assert len(row.code_digest) == 64


def test_one_code_is_stored_differently_in_each_row_and_under_each_key(
    alice: User, bob: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.services.one_time_tokens.secrets.randbelow", lambda _: 7)
    assert {issue(user=u, purpose=Purpose.VERIFY_EMAIL).code for u in (alice, bob)} == {"000007"}
    assert len(set(OneTimeToken.objects.values_list("code_digest", flat=True))) == 2
    settings.SECRET_KEY = "another key"
    refused(find_by_code, email="alice@example.com", code="000007")


def test_the_outbox_holds_no_link_that_can_be_read(client: Client, alice: User) -> None:
    client.post("/auth/password/forgot", {"email": "alice@example.com"})
    token = letter().token
    client.post("/auth/password/forgot", {"email": "alice@example.com"})
    answer_requests()
    waiting = OutgoingMail.objects.get(sent_at=None)
    assert waiting.sealed
    assert "token" not in waiting.body
    assert "#token=" in waiting.text()
    assert token not in waiting.text()


def test_a_message_sealed_with_a_lost_key_is_tried_again_later(
    client: Client, alice: User, settings: Any
) -> None:
    client.post("/auth/password/forgot", {"email": "alice@example.com"})
    answer_requests()
    keys = settings.KEY_ENCRYPTION_KEYS
    settings.KEY_ENCRYPTION_KEYS = ["zJ8mAtVvDlbr2vyPZ4OcwfFUsm9wGRvXhL8u0Jf5y01="]
    assert deliver_due() == 0
    settings.KEY_ENCRYPTION_KEYS = keys
    OutgoingMail.objects.update(next_attempt_at=timezone.now())
    assert deliver_due() == 1
    assert "#token=" in str(mail.outbox[-1].body)


def test_a_token_works_once(token: NewToken) -> None:
    found = find(token.text, Purpose.VERIFY_EMAIL)
    use(found)
    refused(use, found)
    refused(find, token.text, Purpose.VERIFY_EMAIL)
    refused(find_by_code, email="alice@example.com", code=token.code)


@pytest.mark.parametrize("purpose", sorted(set(Purpose) - {Purpose.VERIFY_EMAIL}))
def test_a_token_is_good_for_its_purpose_only(token: NewToken, purpose: Purpose) -> None:
    refused(find, token.text, purpose)


@pytest.mark.parametrize("text", ["", " ", "x", "\ud800".encode("utf-8", "replace").decode()])
def test_what_is_no_token_is_refused(token: NewToken, text: str) -> None:
    refused(find, text, *Purpose)


@pytest.mark.parametrize(
    ("purpose", "lifetime"),
    [
        (Purpose.RESET_PASSWORD, timedelta(minutes=30)),
        (Purpose.VERIFY_EMAIL, timedelta(hours=24)),
        (Purpose.CHANGE_EMAIL, timedelta(hours=24)),
        (Purpose.SET_PASSWORD, timedelta(hours=72)),
        (Purpose.UNDO_EMAIL_CHANGE, timedelta(hours=72)),
    ],
)
def test_a_token_expires_by_the_clock_and_not_by_a_job(
    alice: User, purpose: Purpose, lifetime: timedelta
) -> None:
    text = issue(user=alice, purpose=purpose).text
    pass_time(lifetime - timedelta(seconds=30))
    held = find(text, purpose)
    pass_time(timedelta(seconds=31))
    refused(find, text, purpose)
    refused(use, held)


def test_a_code_lives_ten_minutes_and_its_link_longer(token: NewToken) -> None:
    pass_time(CODE_TTL + timedelta(seconds=1))
    refused(find_by_code, email="alice@example.com", code=token.code)
    assert find(token.text, Purpose.VERIFY_EMAIL)


def test_a_code_is_tried_five_times_and_its_link_still_works(token: NewToken) -> None:
    wrong = other_code(token.code)
    for _ in range(MOST_TRIES):
        refused(find_by_code, email="alice@example.com", code=wrong)
    refused(find_by_code, email="alice@example.com", code=token.code)
    assert OneTimeToken.objects.get().tries == MOST_TRIES
    assert find(token.text, Purpose.VERIFY_EMAIL)


def test_a_code_belongs_to_its_address(token: NewToken, bob: User) -> None:
    code = issue(user=bob, purpose=Purpose.VERIFY_EMAIL).code
    assert code != token.code, "One run in a million."
    refused(find_by_code, email="bob@example.com", code=token.code)
    refused(find_by_code, email="nobody@example.com", code=token.code)
    assert find_by_code(email="ALICE@example.com", code=token.code)


class TestWhatEndsThem:
    @pytest.fixture
    def tokens(self, alice: User) -> dict[Purpose, str]:
        return {purpose: issue(user=alice, purpose=purpose).text for purpose in Purpose}

    @staticmethod
    def live(tokens: dict[Purpose, str]) -> set[Purpose]:
        now = timezone.now()
        return set(OneTimeToken.objects.usable(now).values_list("purpose", flat=True))

    def test_a_newer_one_of_the_same_purpose(self, alice: User, tokens: dict[Purpose, str]) -> None:
        for purpose in set(Purpose) - {Purpose.UNDO_EMAIL_CHANGE}:
            issue(user=alice, purpose=purpose)
            refused(find, tokens[purpose], purpose)
        assert self.live(tokens) == set(Purpose)

    def test_a_password_change(self, client: Client, tokens: dict[Purpose, str]) -> None:
        client.sign_in("alice")
        body = {"current_password": PASSWORD, "new_password": NEW}
        assert client.post("/users/me/password", body).status_code == 200
        assert self.live(tokens) == {Purpose.UNDO_EMAIL_CHANGE}

    def test_a_password_that_an_operator_sets(
        self, alice: User, admin: User, tokens: dict[Purpose, str]
    ) -> None:
        set_password(user=alice, new_password=NEW, actor=admin)
        assert self.live(tokens) == {Purpose.UNDO_EMAIL_CHANGE}

    @pytest.mark.parametrize(
        ("change", "left"),
        [
            ({"email": "other@example.com"}, set()),
            ({"is_active": False}, {Purpose.UNDO_EMAIL_CHANGE}),
        ],
    )
    def test_a_change_of_address_and_a_deactivation(
        self,
        alice: User,
        admin: User,
        tokens: dict[Purpose, str],
        change: dict[str, Any],
        left: set[Purpose],
    ) -> None:
        change_user(user=alice, changes=change, actor=admin)
        change_user(user=alice, changes={"is_active": True}, actor=admin)
        assert self.live(tokens) == left

    def test_a_deletion(self, alice: User, admin: User, tokens: dict[Purpose, str]) -> None:
        delete_user(user=alice, actor=admin)
        assert self.live(tokens) == set()

    def test_no_other_change(self, alice: User, admin: User, tokens: dict[Purpose, str]) -> None:
        change_user(user=alice, changes={"first_name": "A", "role": "guest"}, actor=admin)
        Client().sign_in("alice")
        assert self.live(tokens) == set(Purpose)


def test_expired_tokens_are_pruned_by_the_daily_job(alice: User, bob: User) -> None:
    issue(user=alice, purpose=Purpose.RESET_PASSWORD)
    pass_time(timedelta(hours=1))
    kept = issue(user=bob, purpose=Purpose.RESET_PASSWORD)
    prune_mail()
    assert OneTimeToken.objects.get().user == bob
    assert find(kept.text, Purpose.RESET_PASSWORD)
    assert prune_tokens() == 0
