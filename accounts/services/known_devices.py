"""Devices that a user has signed in on: what they present spares them a stranger's limits.

It proves nobody's identity and opens nothing; a password is asked for all the same.
"""

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts.models import User
from accounts.services.live_state import live_user
from accounts.tokens import AccessToken
from security.errors import TokenInvalid

SALT = "accounts.known_device"


@dataclass(frozen=True)
class KnownDevice:
    """A device as its cookie, or a token of one of its sessions, names it."""

    name: str
    user_id: str
    fingerprint: str = ""
    token: AccessToken | None = None

    def belongs_to(self, user: User | None) -> bool:
        """Whether this user signed in on it, with the present password or in a live session."""
        if user is None or str(user.pk) != self.user_id:
            return False
        if self.token is None:
            return constant_time_compare(self.fingerprint, _fingerprint(user))
        try:
            return live_user(self.token) is not None
        except TokenInvalid:
            return False


def device_text(user: User, *, before: KnownDevice | None) -> str:
    """What a device keeps from now on; with the name that it had for the same user."""
    known = before is not None and before.token is None and before.belongs_to(user)
    name = before.name if before is not None and known else secrets.token_urlsafe(12)
    return signing.dumps([name, str(user.pk), _fingerprint(user)], salt=SALT)


def read_device(text: str) -> KnownDevice | None:
    """The device that keeps `text`; None for what is not ours or too old."""
    try:
        name, user_id, fingerprint = signing.loads(
            text, salt=SALT, max_age=settings.AUTH_LOCKOUT_DEVICE_TTL
        )
    except signing.BadSignature:
        return None
    return KnownDevice(name, user_id, fingerprint)


def device_of_token(raw: str) -> KnownDevice | None:
    """The device of an access token's session; None for what is no token of ours."""
    try:
        token = AccessToken.parse(raw, allow_expired=True)
    except TokenInvalid:
        return None
    return device_of_session(token)


def device_of_session(token: AccessToken) -> KnownDevice:
    """The device of the session that an access token belongs to."""
    return KnownDevice(f"session-{token.sid}", token["sub"], token=token)


def device_of_console(user: User, sid: str) -> KnownDevice:
    """The device of a session at the console, whose user is as stored."""
    return KnownDevice(f"console-{sid}", str(user.pk), _fingerprint(user))


def _fingerprint(user: User) -> str:
    """Differs after each change of the password."""
    return salted_hmac(SALT, user.password, algorithm="sha256").hexdigest()[:32]
