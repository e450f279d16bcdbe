"""Who is calling: address, user agent and request id; proxies are believed when configured."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import ua_parser
from django.conf import settings
from django.http import HttpRequest

from security.identifiers import uuid7

Address = IPv4Address | IPv6Address

HOST_AND_PORT = re.compile(r"([0-9.]+):[0-9]+|\[([0-9A-Fa-f:.]+)\](?::[0-9]+)?", re.ASCII)
SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")
# Longer user agents are no browser's and cost the parser milliseconds.
LONGEST_USER_AGENT = 512
FORWARDING_HEADERS = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_FORWARDED",
    "HTTP_X_REAL_IP",
)


@dataclass(frozen=True)
class ClientInfo:
    """Where a request comes from; services take this instead of a request."""

    ip_address: str | None = None
    user_agent: str = ""
    request_id: str = ""
    # Who runs the command, where it is one: the operating system's name.
    operator: str = ""

    @property
    def device(self) -> str:
        """A name a person recognises, such as "Firefox on Linux"."""
        return device_name(self.user_agent)

    @property
    def origin(self) -> str:
        """The device and the network, by which a user's next sign-in is recognised."""
        return f"{self.device} {network_of(self.ip_address)}"


@lru_cache(maxsize=1024)
def parse_address(text: str) -> Address | None:
    """The address in `text`, IPv4-mapped IPv6 unwrapped; None when it holds none."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # A scope id ("%eth0") names an interface of this machine, not a client.
        address = IPv6Address(int(address))
        return address.ipv4_mapped or address
    return address


def network_of(address: str | None) -> str:
    """What limits count by: an IPv4 address itself, the /64 of an IPv6 address."""
    parsed = parse_address(address or "")
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, 64), strict=False))
    return str(parsed) if parsed else "unknown"


@lru_cache(maxsize=8)
def _networks(texts: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(ip_network(text, strict=False) for text in texts)


def is_within(address: Address | None, networks: Iterable[str]) -> bool:
    """Whether one of the networks, as settings name them, holds the address."""
    known = _networks(tuple(networks))
    return address is not None and any(address in network for network in known)


def _is_proxy(address: Address | None) -> bool:
    return is_within(address, settings.TRUSTED_PROXIES)


def client_address(request: HttpRequest) -> str | None:
    """The client's address: the peer's, or behind configured proxies the nearest untrusted hop.

    X-Forwarded-For is walked from the right, because each proxy appends the peer that it saw and
    everything further left is the client's own claim.
    """
    address = parse_address(request.META.get("REMOTE_ADDR", ""))
    if _is_proxy(address):
        for hop in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "")[-2000:].split(",")):
            claimed = parse_address(hop) or parse_address(_without_port(hop))
            if claimed is None:
                break
            address = claimed
            if not _is_proxy(address):
                break
    return str(address) if address else None


def _without_port(hop: str) -> str:
    """Some proxies append the port that they saw: `192.0.2.1:443`, `[2001:db8::1]:443`."""
    match = HOST_AND_PORT.fullmatch(hop.strip())
    return (match[1] or match[2]) if match else ""


def distrust_forwarding_headers(request: HttpRequest) -> None:
    """Remove what only a configured proxy may say, so nothing later can believe a stranger."""
    if not _is_proxy(parse_address(request.META.get("REMOTE_ADDR", ""))):
        for header in FORWARDING_HEADERS:
            request.META.pop(header, None)


def request_id(request: HttpRequest) -> str:
    """The caller's X-Request-ID when it is a safe token, else one of our own."""
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if SAFE_REQUEST_ID.fullmatch(given) else str(uuid7())


def client_info(request: Any) -> ClientInfo:
    """The caller of a Django or DRF request, as noted once by the middleware."""
    info: ClientInfo | None = getattr(request, "client_info", None)
    return info or read_client_info(request)


def read_client_info(request: HttpRequest) -> ClientInfo:
    user_agent = request.META.get("HTTP_USER_AGENT", "")[:LONGEST_USER_AGENT]
    return ClientInfo(
        ip_address=client_address(request),
        user_agent=_printable(user_agent),
        request_id=request_id(request),
    )


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c for c in text if c.isprintable())


@lru_cache(maxsize=1024)
def device_name(user_agent: str) -> str:
    found = ua_parser.parse(user_agent)
    browser = found.user_agent.family if found.user_agent else ""
    system = found.os.family if found.os else ""
    if not browser:
        # One word: it stands in mail to others, which must not become a letter of the sender's.
        words = user_agent.partition("/")[0].split()
        return words[0][:30] if words else "Unknown device"
    return f"{browser} on {system}"[:120] if system else browser[:120]
