"""What a new password must be, beyond Django's own validators."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from zxcvbn import zxcvbn

LONGEST = 256
# zxcvbn's time grows with the square of the length, and it refuses more than this.
ESTIMATED = 72


class LengthValidator:
    """AUTH_PASSWORD_MIN_LENGTH to 256 characters."""

    def validate(self, password: str, user: Any = None) -> None:
        least = settings.AUTH_PASSWORD_MIN_LENGTH
        if len(password) < least:
            text = gettext("The password needs at least %(least)d characters.")
            raise ValidationError(text % {"least": least}, code="password_too_short")
        if len(password) > LONGEST:
            text = gettext("The password can have at most %(most)d characters.")
            raise ValidationError(text % {"most": LONGEST}, code="password_too_long")

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
            # zxcvbn's sentence, which the catalog of a language may know.
            advice = gettext(str(estimate["feedback"]["warning"] or "It is easily guessed."))
            text = gettext("The password is too weak.")
            raise ValidationError(f"{text} {advice}", code="password_too_weak")

    def get_help_text(self) -> str:
        return "Not easily guessed."
