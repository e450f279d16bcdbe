"""An issuer of access tokens on a local port, which answers whatever a test wants."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from time import sleep
from typing import Any
from uuid import uuid4

import jwt

from security.key_material import KeyPair, generate

AUDIENCE = "api"


class Issuer:
    """Publishes `keys` at the usual path; `status`, `body` and `headers` replace that answer.

    With a `pause` the answer drips: 16 bytes, a pause, and so on.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.keys: list[KeyPair] = [generate("ES256")]
        self.status = 200
        self.body: bytes | None = None
        self.headers: dict[str, str] = {}
        self.pause = 0.0
        self.requests: list[tuple[str, str | None]] = []
        self.may_answer = Event()
        self.may_answer.set()

    @property
    def jwks_uri(self) -> str:
        return f"{self.url}/.well-known/jwks.json"

    def document(self) -> bytes:
        return jwks(*(pair.public_jwk for pair in self.keys))

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": str(uuid4()),
            "sid": str(uuid4()),
            "jti": uuid4().hex,
            "iat": now,
            "exp": now + 900,
            "client_id": "first-party",
            "role": "user",
            "tier": "free",
            "scope": "accounts.view_user accounts.change_user",
            "token_type": "access",
            "auth_time": now - 60,
            "amr": ["pwd", "otp"],
        } | changes

    def token(self, pair: KeyPair | None = None, *, kid: str | None = None, **claims: Any) -> str:
        """Signed by the first key, if nothing else is said."""
        pair = pair or self.keys[0]
        headers = {"kid": kid or pair.kid, "typ": "at+jwt"}
        return jwt.encode(self.claims(**claims), pair.pem, pair.algorithm, headers)


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.requests.append((self.path, self.headers["Authorization"]))
            issuer.may_answer.wait(30)
            body = issuer.document() if issuer.body is None else issuer.body
            self.send_response(issuer.status)
            for name, value in ({"Content-Length": str(len(body))} | issuer.headers).items():
                self.send_header(name, value)
            self.end_headers()
            try:
                piece = 16 if issuer.pause else 65_536
                for start in range(0, len(body), piece):
                    self.wfile.write(body[start : start + piece])
                    sleep(issuer.pause)
            except OSError:
                self.close_connection = True  # The client has had enough.

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield issuer
        finally:
            issuer.may_answer.set()
            server.shutdown()
            thread.join()
