"""Names of people, as far as this service splits them."""

import unicodedata

from django.core.exceptions import ValidationError

# Control, direction and other invisible characters, halves of pairs, private ones, line ends.
DECEIVING = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
# Persian and Indic names are written with them.
JOINERS = "\u200c\u200d"


def split_full_name(full_name: str) -> tuple[str, str]:
    """First and last name: the first word is the first name, the rest is the last."""
    first_name, _, last_name = full_name.strip().partition(" ")
    return first_name, last_name.strip()


def validate_name(name: str) -> None:
    """Raises ValidationError for what would show as another name, or as several lines."""
    if any(unicodedata.category(c) in DECEIVING and c not in JOINERS for c in name):
        raise ValidationError("A name can't have invisible characters.", code="invalid")
