"""What a new password must be, beyond Django's own validators."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from zxcvbn import zxcvbn

LONGEST = 256
# zxcvbn's time grows with the square of the length, and it refuses more than this.
ESTIMATED = 72


class LengthValidator:
    """AUTH_PASSWORD_MIN_LENGTH to 256 characters."""

    def validate(self, password: str, user: Any = None) -> None:
        least = settings.AUTH_PASSWORD_MIN_LENGTH
        if len(password) < least:
            raise ValidationError(
                f"The password needs at least {least} characters.", code="password_too_short"
            )
        if len(password) > LONGEST:
            raise ValidationError(
                f"The password can have at most {LONGEST} characters.", code="password_too_long"
            )

    def get_help_text(self) -> str:
        return f"{settings.AUTH_PASSWORD_MIN_LENGTH} to {LONGEST} characters."


class StrengthValidator:
    """zxcvbn's estimate of how easily the password is guessed, from 0 to 4."""

    def __init__(self, least_score: int = 2) -> None:
        self.least_score = least_score

    def validate(self, password: str, user: Any = None) -> None:
        words = [str(word) for word in (getattr(user, "username", ""), getattr(user, "email", ""))]
        estimate = zxcvbn(password[:ESTIMATED], user_inputs=[word for word in words if word])
        if estimate["score"] < self.least_score:
            advice = estimate["feedback"]["warning"] or "It is easily guessed."
            raise ValidationError(f"The password is too weak. {advice}", code="password_too_weak")

    def get_help_text(self) -> str:
        return "Not easily guessed."
