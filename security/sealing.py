"""Encryption at rest with KEY_ENCRYPTION_KEYS."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class SealBroken(Exception):
    """The text was not sealed with any of the configured keys, or was altered."""


class SealingKeyMissing(SealBroken):
    """KEY_ENCRYPTION_KEYS is empty or holds something that is not a Fernet key."""


def _fernet() -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in settings.KEY_ENCRYPTION_KEYS])
    except ValueError as error:
        raise SealingKeyMissing("KEY_ENCRYPTION_KEYS holds no usable key.") from error


def seal(text: str) -> str:
    """Encrypt with the first key. Raises SealingKeyMissing."""
    return _fernet().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Decrypt with whichever key fits. Raises SealBroken."""
    try:
        return _fernet().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SealBroken("KEY_ENCRYPTION_KEYS does not open what was sealed before.") from error
