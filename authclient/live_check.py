"""Asks the authentication service whether a token's session is live, for who can't wait."""

import hashlib
import json
import threading
import time
from collections import OrderedDict
from typing import Any

from authclient.claims import Claims
from authclient.errors import CheckUnavailable
from authclient.fetching import FetchFailed, check_url, get

LARGEST_ANSWER = 65_536
MOST_REMEMBERED = 10_000


class LiveCheck:
    """Whether the service still takes a token, remembered for `cache_ttl` seconds per token.

    Give it to a Verifier, or any other callable that takes the token and its claims, returns
    whether the session is live, and raises CheckUnavailable when it can't know.
    """

    def __init__(
        self,
        base_url: str,
        *,
        path: str = "/api/v1/users/me",
        cache_ttl: float = 1.0,
        timeout: float = 3.0,
    ) -> None:
        self.url = f"{check_url(base_url).rstrip('/')}{path}"
        self._ttl, self._timeout = cache_ttl, timeout
        self._lock = threading.Lock()
        self._answers: OrderedDict[bytes, tuple[float, bool]] = OrderedDict()

    def __call__(self, token: str, claims: Claims) -> bool:
        """Raises CheckUnavailable; what can't be known is never taken for live."""
        asked_at = time.monotonic()
        digest = hashlib.sha256(token.encode()).digest()
        remembered = self._answers.get(digest)
        if remembered is not None and asked_at - remembered[0] < self._ttl:
            return remembered[1]
        live = self._ask(token, claims)
        with self._lock:
            self._answers[digest] = (asked_at, live)
            self._answers.move_to_end(digest)
            if len(self._answers) > MOST_REMEMBERED:
                self._answers.popitem(last=False)
        return live

    def _ask(self, token: str, claims: Claims) -> bool:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        try:
            answer = get(self.url, timeout=self._timeout, largest=LARGEST_ANSWER, headers=headers)
            if answer.status in (401, 403):
                return False
            if answer.status != 200:
                raise CheckUnavailable(f"{self.url} answered {answer.status}.")
            return _describes(json.loads(answer.body.decode()), claims)
        except (FetchFailed, ValueError, RecursionError) as error:
            raise CheckUnavailable(f"{self.url}: {error}") from error


def _describes(user: Any, claims: Claims) -> bool:
    """Whether the token still says what its user is; one with a former role must be refreshed."""
    if not isinstance(user, dict) or user.get("id") != str(claims.user_id):
        raise CheckUnavailable("The answer is not about the token's user.")
    return (user.get("role"), user.get("tier")) == (claims.role, claims.tier)
