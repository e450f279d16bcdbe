"""E-mail addresses and usernames: one spelling each, so that two look-alikes are one user."""

import re
import unicodedata
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db import models

from accounts.names import BLANKS

LONGEST_EMAIL = 254
LONGEST_USERNAME = 150
USERNAME = re.compile(r"[\w.+-]+")
_validate_email = EmailValidator()


def normalise(text: str) -> str:
    """The form that is stored and shown: NFKC, without surrounding space."""
    return unicodedata.normalize("NFKC", text).strip()


def key_of(text: str) -> str:
    """The form that is compared: NFKC and case folded (Unicode's caseless matching, D146)."""
    folded = normalise(text).casefold()
    return unicodedata.normalize("NFKC", folded)


def validate_email(email: str) -> None:
    """Raises ValidationError for what is not one plain address."""
    if len(email) > LONGEST_EMAIL:
        raise ValidationError("The e-mail address is too long.", code="max_length")
    _validate_email(email)
    # Delivery would decode or encode these, so that the mail went to another address.
    if not email.isascii() or email.startswith('"') or "=?" in email:
        raise ValidationError(
            "An e-mail address has only ASCII characters, neither quotes nor =?;"
            " a domain with other letters is written in its ASCII form, xn--…",
            code="invalid",
        )


def validate_username(username: str) -> None:
    """Raises ValidationError. One script only: a Cyrillic letter in "admin" is a disguise."""
    if len(username) > LONGEST_USERNAME:
        raise ValidationError("The username is too long.", code="max_length")
    # Other scripts' digits, whose zero looks like an o, escape the question for one script below.
    odd = any(c in BLANKS or not (c.isascii() or c.isalpha()) for c in username)
    if odd or not USERNAME.fullmatch(username):
        raise ValidationError(
            "A username has only letters, digits (0-9) and the signs . + - _ in it.", code="invalid"
        )
    if len({_script(c) for c in username if c.isalpha()}) > 1:
        raise ValidationError("A username's letters must be of one script.", code="mixed_scripts")


# Written together in one word, so they count as one script.
EAST_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL"})


def _script(letter: str) -> str:
    script = unicodedata.name(letter, "UNKNOWN").split(" ")[0]
    return "EAST ASIAN" if script in EAST_ASIAN else script


class KeyField(models.CharField):  # type: ignore[type-arg]
    """A column, mostly unique, that always holds `key_of` another one; nobody sets it by hand.

    It is compared by code points in every database, so that its index finds what begins alike in
    the order of the list, and outlives a new version of the system's collations.
    """

    def __init__(self, *, of: str, **options: object) -> None:
        self.of = of
        defaults = {"null": True, "unique": True, "editable": False, "max_length": 512}
        super().__init__(**{**defaults, **options})  # type: ignore[arg-type]

    def deconstruct(self) -> tuple[str, str, list[object], dict[str, object]]:
        name, path, args, options = super().deconstruct()
        # Said in either case: left out, it would be this class's default, not Django's.
        return name, path, list(args), {**options, "of": self.of, "unique": self.unique}

    def db_parameters(self, connection: Any) -> dict[str, Any]:
        parameters: dict[str, Any] = dict(super().db_parameters(connection))
        if connection.vendor == "postgresql":
            parameters["collation"] = "C"
        return parameters

    def pre_save(self, model_instance: models.Model, add: bool) -> str | None:
        text = getattr(model_instance, self.of)
        key = key_of(text) if text else None
        setattr(model_instance, self.attname, key)
        return key
