"""Words that are no secret here: names of the service, of its roles and of the person."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from accounts.models import Role
from accounts.passwords import normalise_password

# A shorter word stands by chance in too many others.
SHORTEST_WORD = 4
# What must be left without the words: no configuration takes less as a password.
LEAST_OF_ONES_OWN = 8
# How alike two texts of nearly one length are, from 0 to 1, to count as one.
ALIKE = 0.8
LEET = str.maketrans("013457@$!", "oieastasi")


def words_of_service() -> set[str]:
    """Of PROJECT_NAME, the host of PUBLIC_URL and the roles."""
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    return _words([settings.PROJECT_NAME, host, *Role.objects.values_list("name", flat=True)])


def words_of_person(user: Any) -> set[str]:
    """Of the names and the e-mail address; none for nobody."""
    names = ("username", "email", "first_name", "last_name")
    return _words(getattr(user, name, None) or "" for name in names)


def is_little_more_than(password: str, words: Iterable[str]) -> bool:
    """Whether the password is nearly one of the words, or adds too little of its own to them.

    Digits and marks that look like letters count as these. A word inside a longer password is none
    of our business.
    """
    text, rest = _plain(password), _plain(password)
    for word in sorted(map(_plain, words), key=lambda word: (-len(word), word)):
        if abs(len(word) - len(text)) <= 2 and _alike(text, word):
            return True
        rest = rest.replace(word, "")
    return rest != text and len(rest) < LEAST_OF_ONES_OWN


def _alike(one: str, other: str) -> bool:
    return SequenceMatcher(None, one, other).ratio() >= ALIKE


def _words(names: Iterable[str]) -> set[str]:
    """Each name, and each part of it, in small letters."""
    found: set[str] = set()
    for name in names:
        plain = normalise_password(name).casefold()
        found |= {plain, *re.split(r"[\W_]+", plain)}
    return {word for word in found if len(word) >= SHORTEST_WORD}


def _plain(text: str) -> str:
    return text.casefold().translate(LEET)
