"""From where the console can be reached."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from security.client_info import client_info, is_within, parse_address
from security.errors import NotFound
from security.problems import problem_response

# The name of the route that leads to the console's own.
ENTRANCE = "console"


class ConsoleNetworksMiddleware:
    """Shows nobody outside AUTH_CONSOLE_NETWORKS that there is a console.

    It goes by the route, so however a path is spelt; an address that is unknown is outside.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponse | None:
        networks = settings.AUTH_CONSOLE_NETWORKS
        match = request.resolver_match
        if not networks or match is None:
            return None
        if "admin" not in match.app_names and match.view_name != ENTRANCE:
            return None
        address = parse_address(client_info(request).ip_address or "")
        return None if is_within(address, networks) else problem_response(NotFound())
