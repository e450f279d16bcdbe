"""HTTP GET as a verifier needs it: bounded in size and time, and never led to another host."""

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

CHUNK = 16_384


class FetchFailed(Exception):
    """No whole answer came in time, or one too large, or one that leads away."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


class SameHostRedirects(HTTPRedirectHandler):
    """A redirect is followed on the same scheme, host and port only."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            fp.close()
            raise FetchFailed("redirected to another host")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


OPENER = build_opener(SameHostRedirects)


def check_url(url: str) -> str:
    """The URL, if it is an absolute http or https one. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no http or https URL.")
    return url


def get(url: str, *, timeout: float, largest: int, headers: Mapping[str, str]) -> Answer:
    """The answer, whatever its status. Raises FetchFailed."""
    deadline = time.monotonic() + timeout
    request = Request(check_url(url), headers=dict(headers))  # noqa: S310
    try:
        with _open(request, timeout) as response:
            return Answer(response.status, _read(response, largest, deadline))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchFailed(f"{type(error).__name__}: {error}") from error


def _open(request: Request, timeout: float) -> Any:
    """The response; urllib raises that of an unwelcome status, which is a response too."""
    try:
        return OPENER.open(request, timeout=timeout)
    except HTTPError as response:
        return response


def _read(response: Any, largest: int, deadline: float) -> bytes:
    """The body. The socket's timeout alone would let a server send a byte now and then for ever."""
    body = b""
    while chunk := response.read1(CHUNK):
        body += chunk
        if len(body) > largest:
            raise FetchFailed(f"longer than {largest} bytes")
        if time.monotonic() > deadline:
            raise FetchFailed("not done in time")
    if response.length:
        raise FetchFailed("cut short")
    return body
