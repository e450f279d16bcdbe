"""A mail server of the tests' own, as well or as badly as a test wants it."""

import socketserver
import threading
import time
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any, cast

# What the server says to a recipient, by its mood.
RECIPIENT_ANSWERS = {"rejecting": "550 5.1.1 alice@example.com is unknown", "busy": "451 later"}
TLS_ANSWERS = {"breaking_tls": "220 go ahead", "refusing_tls": "454 not now"}


class SmtpStub:
    """Serves on a free port while its context lasts; `mood` may change at any time.

    Moods: "well", "hanging" (says nothing at all), "rejecting" and "busy" (recipients),
    "refusing" (content), "leaving" (421), "dropping" (takes a message and hangs up before it says
    so), "without_tls", "refusing_tls" and "breaking_tls".
    """

    def __init__(self, *, seconds_a_message: float = 0) -> None:
        self.mood = "well"
        self.seconds_a_message = seconds_a_message
        self.connections = 0
        self.commands: list[str] = []
        # As their envelopes and texts arrived.
        self.recipients: list[list[str]] = []
        self.messages: list[EmailMessage] = []
        self._ended = threading.Event()
        stub = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                stub.connections += 1
                if stub.mood == "hanging":
                    stub._ended.wait(30)
                else:
                    stub._converse(self)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> "SmtpStub":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def _converse(self, peer: Any) -> None:
        def say(line: str) -> None:
            peer.wfile.write(f"{line}\r\n".encode())

        to: list[str] = []
        say("220 stub")
        while line := peer.rfile.readline().decode("latin-1").strip():
            self.commands.append(line)
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                say("250-stub" if self.mood.endswith("ing_tls") else "250 stub")
                if self.mood.endswith("ing_tls"):
                    say("250 STARTTLS")
            elif verb == "STARTTLS":
                say(TLS_ANSWERS[self.mood])
                if self.mood == "breaking_tls":
                    peer.rfile.readline()
                    say("500 this is no TLS")
                    return
            elif verb == "RCPT":
                if self.mood == "leaving":
                    say("421 closing")
                    return
                to.append(line.partition("<")[2].rstrip(">"))
                say(RECIPIENT_ANSWERS.get(self.mood, "250 ok"))
            elif verb == "DATA":
                say("354 go on")
                self._take(peer, to)
                to = []
                if self.mood == "dropping":
                    return
                say("554 5.6.0 refused" if self.mood == "refusing" else "250 ok")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")

    def _take(self, peer: Any, to: list[str]) -> None:
        lines = []
        while (line := peer.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        time.sleep(self.seconds_a_message)
        self.recipients.append(to)
        parsed = message_from_bytes(b"".join(lines), policy=policy.default)
        self.messages.append(cast(EmailMessage, parsed))
