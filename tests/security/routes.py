"""Every path that the service answers."""

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLResolver, get_resolver

ID = "01a1f9a0-5471-7e25-ba8a-7515eef24ca3"


def served(found: Any, prefix: str = "/") -> Iterator[str]:
    """Every path below `prefix`, with an id where one belongs."""
    for entry in found:
        path = prefix + re.sub("<.*?>", ID, str(entry.pattern))
        if isinstance(entry, URLResolver):
            yield from served(entry.url_patterns, path)
        else:
            yield path


def in_tests_notation(path: str) -> str:
    """Below the API's base, or with `//` for the whole host."""
    return path.removeprefix("/api/v1") if path.startswith("/api/v1/") else f"/{path}"


EVERY_ROUTE = [in_tests_notation(path) for path in served(get_resolver().url_patterns)]
ROUTES = [route for route in EVERY_ROUTE if not route.startswith("//admin")]
API_ROUTES = [route for route in ROUTES if not route.startswith("//")]
