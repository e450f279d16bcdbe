"""Tokens as an attacker bends them; some with the real key, which only this process can."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import jwt

from security.keyring import keyring

HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
Json = dict[str, Any] | str | bytes


def encode(content: Json) -> str:
    """A segment. Text and bytes stay as they are, so that they can be bad JSON."""
    if isinstance(content, dict):
        content = json.dumps(content, separators=(",", ":"))
    data = content.encode() if isinstance(content, str) else content
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


class Forge:
    """One genuine token and what can be made of it."""

    def __init__(self, genuine: str) -> None:
        self.genuine = genuine
        self.segments = genuine.split(".")
        self.header: dict[str, Any] = json.loads(decode(self.segments[0]))
        self.claims: dict[str, Any] = json.loads(decode(self.segments[1]))
        self.key = keyring.signing_pair().private_key

    def token(
        self,
        header: Json | None = None,
        claims: Json | None = None,
        sign: Callable[[bytes], bytes] | None = None,
    ) -> str:
        """Signed by the real key with its own algorithm, if `sign` says nothing else."""
        header = self.header if header is None else header
        text = f"{encode(header)}.{encode(self.claims if claims is None else claims)}"
        signature = (sign or self.signs(self.header["alg"]))(text.encode())
        return f"{text}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    def signs(self, algorithm: str, key: Any = None) -> Callable[[bytes], bytes]:
        named = jwt.get_algorithm_by_name(algorithm)
        return lambda text: named.sign(text, key or self.key)

    def with_header(self, **members: Any) -> str:
        return self.token(self.header | members)

    def without_header(self, name: str) -> str:
        return self.token({k: v for k, v in self.header.items() if k != name})

    def with_claims(self, **claims: Any) -> str:
        return self.token(claims=self.claims | claims)

    def with_raw_claim(self, name: str, raw: str) -> str:
        """`raw` is JSON, or is not."""
        text = json.dumps(self.claims | {name: "<here>"})
        return self.token(claims=text.replace('"<here>"', raw))

    def without_claim(self, name: str) -> str:
        return self.token(claims={k: v for k, v in self.claims.items() if k != name})

    def hmac(self, algorithm: str, secret: bytes) -> str:
        return self.token(
            self.header | {"alg": algorithm},
            sign=lambda text: hmac.new(secret, text, HASHES[algorithm]).digest(),
        )

    def respelled(self, index: int) -> str:
        """A segment's spare bits changed: the same bytes in another spelling."""
        segment = self.segments[index]
        spare = {2: 15, 3: 3}.get(len(segment) % 4)
        if spare is None:
            return f"{self.genuine}="
        last = ALPHABET[ALPHABET.index(segment[-1]) | 1]
        assert decode(segment[:-1] + last) == decode(segment)
        segments = [*self.segments]
        segments[index] = segment[:-1] + last
        return ".".join(segments)
