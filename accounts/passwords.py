"""One form of a password, whatever keyboard it came from, and its greatest length."""

import unicodedata

LONGEST_PASSWORD = 256


def normalise_password(raw: str) -> str:
    """NFKC, the same before every hash and every check (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", raw)


def is_text(raw: str) -> bool:
    """Whether it can be written in UTF-8, which halves of surrogate pairs can't."""
    return not any(unicodedata.category(letter) == "Cs" for letter in raw)
