"""Signing in with a password."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.emails import notify
from accounts.models import User
from accounts.services import lockout
from accounts.services.email_verification import must_verify
from accounts.services.known_devices import KnownDevice
from accounts.services.lockout import Attempt
from accounts.services.passwords import check_password, replace_expired_password
from accounts.tokens import AccessToken, RefreshToken
from security import audit
from security.audit import Kind
from security.client_info import ClientInfo
from security.errors import (
    AccountInactive,
    EmailUnverified,
    InvalidCredentials,
    PasswordExpired,
)
from security.keyring import keyring
from security.metrics import SIGN_INS
from sessions_app.models import DeviceSession
from sessions_app.services.sessions import end_beyond_limit, open_for_console, open_session


@dataclass(frozen=True)
class SignedIn:
    """A user with a live session and its present tokens."""

    user: User
    session: DeviceSession
    access: AccessToken
    refresh: RefreshToken


def issue_pair(session: DeviceSession, user: User) -> SignedIn:
    """The tokens of a session as it stands now."""
    return SignedIn(
        user=user,
        session=session,
        access=AccessToken.for_session(session, user),
        refresh=RefreshToken.for_session(session),
    )


def log_in(
    *,
    identifier: str,
    password: str,
    client: ClientInfo,
    new_password: str | None = None,
    device: KnownDevice | None = None,
) -> SignedIn:
    """Open a session for the user of an e-mail address or username.

    `new_password` takes the place of one that an operator set to expire, else it is not looked at.
    `device` is what the caller presents as known. Raises LoginCooldown, RateLimited and
    InvalidCredentials alike for an unknown user and a wrong password, and AccountInactive,
    EmailUnverified, PasswordExpired, FieldError or SigningUnavailable only after a right one.
    """
    user, may_be_new = _find(identifier, client)
    attempt = lockout.reserve(user=user, identifier=identifier, client=client, device=device)
    if not _is_right(attempt, password) or user is None:
        _refuse_wrong(attempt)
        raise InvalidCredentials
    if must_verify(user) and user.is_active:
        _refuse(user, client, reason=EmailUnverified.code)
        raise EmailUnverified
    # Nothing is changed and no session opened for tokens that can't be signed.
    keyring.signing_pair()
    if user.password_expired and user.is_active:
        if not new_password:
            _refuse(user, client, reason=PasswordExpired.code)
            raise PasswordExpired
        replace_expired_password(user=user, new_password=new_password, client=client)
    with transaction.atomic():
        # Deactivation and password change update the same row: whoever is second sees the first.
        present = User.objects.filter(pk=user.pk, is_active=True, password=user.password)
        user.last_login = timezone.now()
        signed_in = present.update(last_login=user.last_login) == 1
        session = None
        if signed_in:
            if may_be_new and settings.AUTH_NEW_DEVICE_NOTICE:
                _tell_of_new_device(user, client)
            session = open_session(user=user, client=client, amr=["pwd"])
            end_beyond_limit(keep=session, client=client)
    if session is None:
        # Either the account is inactive, or the password was replaced while it was checked.
        inactive = User.objects.filter(pk=user.pk, is_active=False).exists()
        error = AccountInactive() if inactive else InvalidCredentials()
        _refuse(user, client, reason=error.code)
        raise error
    SIGN_INS.labels("succeeded").inc()
    return issue_pair(session, user)


def check_for_console(
    *, identifier: str, password: str, client: ClientInfo, device: KnownDevice | None
) -> User | None:
    """Whom `sign_in_to_console` may let in; None for a refusal.

    Raises LoginCooldown and RateLimited.
    """
    people = User.objects.select_related("role", "sign_in_failures")
    user: User | None = people.for_identifier(identifier).first()
    attempt = lockout.reserve(user=user, identifier=identifier, client=client, device=device)
    if not _is_right(attempt, password) or user is None:
        _refuse_wrong(attempt)
        return None
    if not user.is_staff or user.password_expired or must_verify(user):
        _refuse(user, client, reason=InvalidCredentials.code)
        return None
    return user


def sign_in_to_console(*, user: User, client: ClientInfo) -> DeviceSession | None:
    """Open a session at the console for a user whose password was just right.

    None if they were deactivated, or given another password or role, meanwhile.
    """
    with transaction.atomic():
        same = {"is_active": True, "password": user.password, "role": user.role_id}
        present = User.objects.filter(pk=user.pk, role__console_access=True, **same)
        if not present.update(last_login=timezone.now()):
            _refuse(user, client, reason=InvalidCredentials.code)
            return None
        opened = DeviceSession.objects.for_user(user.pk)
        if settings.AUTH_NEW_DEVICE_NOTICE and opened.exists():
            _tell_of_new_device(user, client)
        session = open_for_console(user=user, client=client)
        end_beyond_limit(keep=session, client=client)
    SIGN_INS.labels("succeeded").inc()
    return session


def _is_right(attempt: Attempt, password: str) -> bool:
    """Raises TooBusy.

    Where accounts are concealed, one whose address nobody proved counts as nobody's: who
    registered it would else learn that it was free.
    """
    user = attempt.user
    concealed = settings.AUTH_CONCEAL_ACCOUNTS and user is not None and must_verify(user)

    def check() -> bool:
        return check_password(user, password, name=attempt.identifier_key) and not concealed

    return lockout.is_right(attempt, check)


def _find(identifier: str, client: ClientInfo) -> tuple[User | None, bool]:
    """The user, and whether they have signed in before but not from here, in one query."""
    sessions = DeviceSession.objects.filter(user_id=OuterRef("pk"))
    people = User.objects.select_related("role", "sign_in_failures").annotate(
        has_sessions=Exists(sessions), knows_origin=Exists(sessions.from_origin(client.origin))
    )
    found: Any = people.for_identifier(identifier).first()
    if found is None or found.last_login is None:
        return found, False
    return found, found.has_sessions and not found.knows_origin


def _tell_of_new_device(user: User, client: ClientInfo) -> None:
    """The caller holds the user's row: of two sign-ins at once the second sees the first."""
    if not DeviceSession.objects.for_user(user.pk).from_origin(client.origin).exists():
        notify(user, "new_device", client=client)


def _refuse_wrong(attempt: Attempt) -> None:
    with transaction.atomic():
        _refuse(attempt.user, attempt.client, reason=InvalidCredentials.code)
        lockout.fail(attempt)


def _refuse(user: User | None, client: ClientInfo, *, reason: str) -> None:
    SIGN_INS.labels(reason).inc()
    audit.record(Kind.LOGIN_FAILED, subject=user, client=client, reason=reason)
