"""Names of people, as far as this service splits them."""

import unicodedata

from django.core.exceptions import ValidationError

# Control, direction and other invisible characters, halves of pairs, private ones, line ends.
DECEIVING = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
# Persian and Indic names are written with them.
JOINERS = "\u200c\u200d"
# Letters, marks and signs to Unicode, and nothing to see: Hangul fillers, the grapheme joiner,
# Khmer's inherent vowels, an empty Braille cell.
BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u034f\u17b4\u17b5\u2800")


def split_full_name(full_name: str) -> tuple[str, str]:
    """First and last name: the first word is the first name, the rest is the last."""
    first_name, _, last_name = full_name.strip().partition(" ")
    return first_name, last_name.strip()


def validate_name(name: str) -> None:
    """Raises ValidationError for what would show as another name, as several lines, or not."""
    deceiving = any(unicodedata.category(c) in DECEIVING and c not in JOINERS for c in name)
    # Marks are part of names, such as the selectors of Japanese ones, but show only on a letter.
    seen = not name.strip() or any(unicodedata.category(c)[0] in "LNPS" for c in name)
    if deceiving or not seen or not BLANKS.isdisjoint(name):
        raise ValidationError("A name can't have invisible characters.", code="invalid")
