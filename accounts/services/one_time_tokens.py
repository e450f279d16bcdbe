"""Mailed tokens: made, tried, used once, ended."""

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext

from accounts.emails import NewToken
from accounts.identifiers import key_of
from accounts.models import MailRequest, OneTimeToken, User
from accounts.models.one_time_token import Purpose
from security.errors import FieldError

SLICE = 5000
# A million codes, five tries a message and three messages an hour: years of guessing.
MOST_TRIES = 5
# The id of no row.
NOBODY = UUID(int=0)
CODE_TTL = timedelta(minutes=10)


def issue(*, user: User, purpose: Purpose, email: str = "") -> NewToken:
    """A new token of the user; it ends the older ones of its purpose.

    The way back from a change of address stays open though: a thief who changes it twice must not
    close it. Inside the caller's transaction, which holds the user's row.
    """
    if purpose != Purpose.UNDO_EMAIL_CHANGE:
        OneTimeToken.objects.filter(user=user, purpose=purpose).delete()
    now = timezone.now()
    lifetime = settings.AUTH_LINK_TTL[purpose]
    text = secrets.token_urlsafe(32)
    row = OneTimeToken(user=user, purpose=purpose, digest=_digest(text), email=email)
    row.created_at, row.expires_at = now, now + lifetime
    code = ""
    if purpose == Purpose.VERIFY_EMAIL:
        code = f"{secrets.randbelow(10**6):06}"
        row.code_digest, row.code_expires_at = _code_digest(row.pk, code), now + CODE_TTL
    row.save(force_insert=True)
    return NewToken(text, code, lifetime, CODE_TTL)


def find(text: str, *purposes: Purpose) -> OneTimeToken:
    """The usable token of this text, for one of the purposes. Raises FieldError."""
    usable = OneTimeToken.objects.usable(timezone.now()).select_related("user__role")
    found = usable.filter(digest=_digest(text), purpose__in=purposes).first()
    if found is None:
        raise unusable("token")
    return found


def find_by_code(*, email: str, code: str) -> OneTimeToken:
    """The same for the code that was mailed to the address. Raises FieldError.

    A try is counted before the code is looked at, so that many at once can't have more of them.
    """
    now = timezone.now()
    found = OneTimeToken.objects.usable(now).select_related("user__role")
    row = found.filter(
        user__email_key=key_of(email), purpose=Purpose.VERIFY_EMAIL, code_expires_at__gt=now
    ).first()
    # By its own columns alone: PostgreSQL asks no condition behind a join again after a wait.
    waiting = OneTimeToken.objects.filter(
        pk=row.pk if row else NOBODY, used_at=None, tries__lt=MOST_TRIES
    )
    counted = waiting.update(tries=F("tries") + 1)
    if row and counted and constant_time_compare(row.code_digest, _code_digest(row.pk, code)):
        return row
    raise unusable("code")


def use(token: OneTimeToken) -> None:
    """Use the token up. However many try at once, one succeeds; raises FieldError for the others.

    The caller's transaction holds the user's row, in which whatever ends tokens begins.
    """
    now = timezone.now()
    unused = OneTimeToken.objects.filter(pk=token.pk, used_at=None, expires_at__gt=now)
    if unused.update(used_at=now) != 1:
        raise unusable("token")


def end_tokens(user_id: UUID, *, also_undoing: bool = False) -> None:
    """Make the user's mailed links useless; the way back from a change of address stays open.

    A change that the worker has yet to mail is dropped: its link would come from before, too. The
    caller's transaction holds the user's row.
    """
    MailRequest.objects.filter(user_id=user_id, purpose=Purpose.CHANGE_EMAIL).delete()
    tokens = OneTimeToken.objects.filter(user_id=user_id)
    if not also_undoing:
        tokens = tokens.exclude(purpose=Purpose.UNDO_EMAIL_CHANGE)
    tokens.delete()


def end_verification(user_id: UUID) -> None:
    """Make the links that verify the user's address useless, also one that is yet to be mailed.

    The caller's transaction holds the user's row.
    """
    MailRequest.objects.filter(user_id=user_id, purpose=Purpose.VERIFY_EMAIL).delete()
    OneTimeToken.objects.filter(user_id=user_id, purpose=Purpose.VERIFY_EMAIL).delete()


def prune_tokens() -> int:
    """Delete expired tokens; how many."""
    expired = OneTimeToken.objects.filter(expires_at__lt=timezone.now()).order_by("expires_at")
    deleted = 0
    while ids := list(expired.values_list("pk", flat=True)[:SLICE]):
        deleted += OneTimeToken.objects.filter(pk__in=ids).delete()[0]
    return deleted


def unusable(field: str) -> FieldError:
    """One error for what is wrong, used, expired or meant for something else."""
    text = {
        "token": gettext("This link can't be used, or not any more. Ask for a new one."),
        "code": gettext("This code can't be used, or not any more. Ask for a new one."),
    }
    return FieldError((field, "invalid_or_expired", text[field]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _code_digest(pk: UUID, code: str) -> str:
    """Keyed, and of no use beside another row."""
    return salted_hmac("accounts.one_time_token", f"{pk}:{code}", algorithm="sha256").hexdigest()
