"""What a new password must be: each rule refuses with a code and a sentence of its own."""

from threading import Lock
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from zxcvbn import zxcvbn

from accounts.common_passwords import is_common
from accounts.context_words import is_little_more_than, words_of_person, words_of_service
from accounts.passwords import LONGEST_PASSWORD

# zxcvbn's time grows with the square of the length, and it refuses more than this.
ESTIMATED = 72
# zxcvbn keeps the words that it is given in a global: two threads would get each other's.
ESTIMATING = Lock()


class LengthValidator:
    """AUTH_PASSWORD_MIN_LENGTH to LONGEST_PASSWORD characters."""

    def validate(self, password: str, user: Any = None) -> None:
        least = settings.AUTH_PASSWORD_MIN_LENGTH
        if len(password) < least:
            text = gettext("The password needs at least %(least)d characters.")
            raise ValidationError(text % {"least": least}, code="password_too_short")
        if len(password) > LONGEST_PASSWORD:
            text = gettext("The password can have at most %(most)d characters.")
            raise ValidationError(text % {"most": LONGEST_PASSWORD}, code="password_too_long")

    def get_help_text(self) -> str:
        return f"{settings.AUTH_PASSWORD_MIN_LENGTH} to {LONGEST_PASSWORD} characters."


class CommonPasswordValidator:
    """None of those that are tried first; covers Django's validator of this name."""

    def validate(self, password: str, user: Any = None) -> None:
        if is_common(password):
            text = gettext("The password is one of the most used, which are tried first.")
            raise ValidationError(text, code="password_too_common")

    def get_help_text(self) -> str:
        return "None of the most used passwords."


class ContextValidator:
    """Not just a name of the person or of the service, in whatever spelling."""

    def validate(self, password: str, user: Any = None) -> None:
        if is_little_more_than(password[:LONGEST_PASSWORD], words_of_person(user)):
            text = gettext("The password is little more than a name or address of its owner.")
            raise ValidationError(text, code="password_too_similar")
        if is_little_more_than(password[:LONGEST_PASSWORD], words_of_service()):
            text = gettext("The password is little more than a name that this service uses.")
            raise ValidationError(text, code="password_too_similar")

    def get_help_text(self) -> str:
        return "Not just a name of its owner or of this service."


class StrengthValidator:
    """zxcvbn's estimate of how easily the password is guessed, from 0 to 4."""

    def __init__(self, least_score: int = 2) -> None:
        self.least_score = least_score

    def validate(self, password: str, user: Any = None) -> None:
        words = sorted(words_of_person(user) | words_of_service())
        with ESTIMATING:
            estimate = zxcvbn(password[:ESTIMATED], user_inputs=words)
        if estimate["score"] < self.least_score:
            # zxcvbn's sentence, which the catalog of a language may know.
            advice = gettext(str(estimate["feedback"]["warning"] or "It is easily guessed."))
            text = gettext("The password is too weak.")
            raise ValidationError(f"{text} {advice}", code="password_too_weak")

    def get_help_text(self) -> str:
        return "Not easily guessed."
