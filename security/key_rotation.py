"""Making, rotating, retiring and revoking signing keys.

Whoever changes the keys waits for a turn on one row's lock before looking at them, so nothing is
decided on what another is about to change; the database's constraints stand behind that.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from security import audit
from security.audit import Identified, Kind
from security.client_info import ClientInfo
from security.dropping import disown_after_commit
from security.errors import KeyNotFound
from security.key_material import KeyPair, generate, import_pair
from security.keyring import keyring
from security.logs import get_logger
from security.models import SigningKey
from security.models.signing_key import State
from security.sealing import seal, unseal

logger = get_logger(__name__)

# What a slow clock or a process with an older snapshot may add to a token's life.
RETIRING_MARGIN = timedelta(minutes=5)


def ensure_first_keys() -> bool:
    """Make the first key and its successor where there is none; True if this call made them.

    Only an empty table counts as "none": a lost or broken key is an operator's matter, and a new
    one made in silence would hide it. Raises UnusableKey for a bad PRIVATE_KEY_PATH and
    SealingKeyMissing without KEY_ENCRYPTION_KEYS.
    """
    if SigningKey.objects.exists():
        return False
    first = (
        import_pair(settings.PRIVATE_KEY_PATH, settings.PUBLIC_KEY_PATH)
        if settings.PRIVATE_KEY_PATH
        else generate(settings.AUTH_SIGNING_ALGORITHM)
    )
    successor = generate(settings.AUTH_SIGNING_ALGORITHM)
    now = timezone.now()
    try:
        with transaction.atomic():
            _insert(first, State.CURRENT, now)
            _insert(successor, State.NEXT, now)
            audit.record(Kind.KEY_CREATED, kid=first.kid)
    except IntegrityError:
        return False
    finally:
        keyring.forget()
    return True


def check_current_key() -> None:
    """Prove that the keys which sign now and next can be opened. Raises SealBroken."""
    for key in SigningKey.objects.filter(state__in=[State.CURRENT, State.NEXT]):
        unseal(key.sealed_private_key)


def rotate(*, actor: Identified | None = None, client: ClientInfo | None = None) -> str | None:
    """Let the next key sign and publish one more; return the new current kid.

    None when there is nothing to do yet: the next key has not stood in the JWKS for as long as
    verifiers may cache it, so it was published by a rotation a moment ago. Two rotations at once
    therefore make one new key.
    """
    upcoming = SigningKey.objects.filter(state=State.NEXT).first()
    if upcoming is not None and not may_sign(upcoming):
        return None
    successor = generate(settings.AUTH_SIGNING_ALGORITHM)
    with transaction.atomic():
        _take_turns()
        upcoming = SigningKey.objects.filter(state=State.NEXT).first()
        if upcoming is None:
            _insert(successor, State.NEXT, timezone.now())
            return None
        if not may_sign(upcoming):
            return None
        _promote(upcoming, successor)
        audit.record(Kind.KEY_ROTATED, actor=actor, client=client, kid=upcoming.kid)
    keyring.forget()
    return upcoming.kid


def rotate_when_due(*, age: timedelta) -> str | None:
    """Rotate if the current key has signed for `age`; otherwise None."""
    due = SigningKey.objects.filter(
        state=State.CURRENT, activated_at__lte=timezone.now() - age
    ).exists()
    return rotate() if due else None


def may_sign(key: SigningKey) -> bool:
    """Whether every verifier knows `key` by now: no cached JWKS can be older than it.

    A next key that was published together with the current one stands in every JWKS there ever was.
    """
    current = SigningKey.objects.filter(state=State.CURRENT).first()
    if current is None or key.created_at <= current.created_at:
        return True
    return timezone.now() - key.created_at >= settings.AUTH_JWKS_MAX_AGE


def retire_expired() -> int:
    """End the keys whose last token has expired, and erase their private halves."""
    with transaction.atomic():
        _take_turns()
        kids = list(SigningKey.objects.past_retiring().values_list("kid", flat=True))
        SigningKey.objects.filter(kid__in=kids).update(state=State.RETIRED, sealed_private_key="")
        for kid in kids:
            audit.record(Kind.KEY_RETIRED, kid=kid)
    keyring.forget()
    return len(kids)


def revoke(kid: str, *, actor: Identified | None = None, client: ClientInfo | None = None) -> None:
    """End a compromised key at once: every token it signed is refused within a second.

    If it was the current or the next key, another takes its place in the same transaction,
    published long enough or not: a stolen key is worse than a verifier that fetches the JWKS again.
    Raises KeyNotFound.
    """
    spare = generate(settings.AUTH_SIGNING_ALGORITHM)
    with transaction.atomic():
        _take_turns()
        key = SigningKey.objects.filter(kid=kid, revoked_at=None).first()
        if key is None:
            raise KeyNotFound(f"There is no signing key {kid} that is not revoked already.")
        was = key.state
        upcoming = SigningKey.objects.filter(state=State.NEXT).first()
        if was == State.CURRENT and upcoming is not None:
            _promote(upcoming, spare)
        now = timezone.now()
        SigningKey.objects.filter(kid=kid).update(
            state=State.RETIRED, revoked_at=now, verifies_until=now, sealed_private_key=""
        )
        if was == State.NEXT:
            _insert(spare, State.NEXT, now)
        elif was == State.CURRENT and upcoming is None:
            _insert(spare, State.CURRENT, now)
        audit.record(Kind.KEY_REVOKED, actor=actor, client=client, kid=kid)
        disown_after_commit()
    keyring.forget()


def _insert(pair: KeyPair, state: State, now: datetime) -> None:
    SigningKey.objects.create(
        kid=pair.kid,
        algorithm=pair.algorithm,
        public_jwk=pair.public_jwk,
        sealed_private_key=seal(pair.pem),
        state=state,
        created_at=now,
        activated_at=now if state == State.CURRENT else None,
    )


def _promote(upcoming: SigningKey, successor: KeyPair) -> None:
    """The current key retires, `upcoming` signs, `successor` is published."""
    now = timezone.now()
    last_token = max(settings.AUTH_ACCESS_TTL, settings.AUTH_REFRESH_IDLE_TTL)
    SigningKey.objects.filter(state=State.CURRENT).update(
        state=State.RETIRING, verifies_until=now + last_token + RETIRING_MARGIN
    )
    SigningKey.objects.filter(kid=upcoming.kid).update(state=State.CURRENT, activated_at=now)
    _insert(successor, State.NEXT, now)


def _take_turns() -> None:
    """Wait for whoever else is changing keys. The lock is the oldest row: no row is ever deleted.

    Locking the rows to be changed instead, a rotation and a revocation could wait for each other.
    """
    SigningKey.objects.select_for_update().order_by("created_at", "kid").first()
