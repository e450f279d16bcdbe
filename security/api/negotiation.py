"""Which form an answer has: JSON, whatever the Accept header says (RFC 9110 section 12.4.1)."""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request


class AlwaysJSON(DefaultContentNegotiation):
    """A client that asks for another form still understands JSON better than a refusal."""

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)
