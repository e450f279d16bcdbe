"""The load generator: `python -m benchmarks.load` in a process of its own, plan in, result out.

One thread and raw sockets: about 30 µs of CPU a request, a small part of what any server here
needs, so it never holds a server back. The result says how much of a core it used.
"""

import json
import re
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

LONGEST_WAIT_SECONDS = 30
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)


@dataclass
class Connection:
    """A keep-alive connection with one request under way."""

    address: tuple[str, int]
    requests: list[bytes]
    sent: int = 0
    sent_at: float = 0.0
    received: bytes = b""
    wire: socket.socket = field(init=False)

    def __post_init__(self) -> None:
        self.wire = socket.create_connection(self.address, timeout=30)
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self) -> None:
        request = self.requests[self.sent % len(self.requests)]
        self.sent += 1
        self.received = b""
        self.sent_at = time.perf_counter()
        self.wire.sendall(request)

    def receive(self) -> bytes | None:
        """The whole answer, or None while it is incomplete."""
        chunk = self.wire.recv(65_536)
        if not chunk:
            raise RuntimeError(f"The server closed a connection after {self.received!r}")
        self.received += chunk
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return None
        length = LENGTH.search(head)
        if length is None:
            raise RuntimeError(f"An answer without a length: {head!r}")
        return self.received if len(body) >= int(length[1]) else None


class Load:
    """Runs a plan: each connection sends its next request when the last one is answered.

    The requests of a connection follow each other in a circle, or, where the plan has a `chain`,
    each holds the token that the last answer gave.
    """

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.latencies: list[float] = []
        self.failures: list[str] = []
        address = (plan["host"], plan["port"])
        self.connections = [
            Connection(address, [request.encode() for request in requests])
            for requests in plan["requests"]
        ]

    def run(self) -> dict[str, Any]:
        selector = selectors.DefaultSelector()
        for connection in self.connections:
            selector.register(connection.wire, selectors.EVENT_READ, connection)
        cpu, started = time.process_time(), time.perf_counter()
        ends = started + self.plan["seconds"]
        for connection in self.connections:
            connection.send()
        waiting = len(self.connections)
        finished = started
        while waiting and not self.failures:
            ready = selector.select(LONGEST_WAIT_SECONDS)
            if not ready:
                raise RuntimeError(f"{waiting} connections wait for an answer that never comes.")
            for key, _ in ready:
                connection = key.data
                answer = connection.receive()
                if answer is None:
                    continue
                finished = time.perf_counter()
                self.latencies.append(finished - connection.sent_at)
                self._check(connection, answer)
                if finished < ends:
                    connection.send()
                else:
                    # A server may close it while the others wait for their last answers.
                    selector.unregister(connection.wire)
                    waiting -= 1
        seconds = finished - started
        return {
            "seconds": seconds,
            "latencies": self.latencies,
            "failures": self.failures,
            "own_cpu": (time.process_time() - cpu) / seconds,
            "tokens": [json.loads(c.received.partition(b"\r\n\r\n")[2]) for c in self.connections]
            if self.plan["chain"]
            else [],
        }

    def _check(self, connection: Connection, answer: bytes) -> None:
        if not answer.startswith(b"HTTP/1.1 200"):
            self.failures.append(answer[:2000].decode("utf-8", "replace"))
            return
        chain = self.plan["chain"]
        if chain:
            body = json.loads(answer.partition(b"\r\n\r\n")[2])
            connection.requests = [refresh_request(chain, body[chain["field"]]).encode()]


def refresh_request(chain: dict[str, str], token: str) -> str:
    """The request of a chain that spends `token`."""
    body = json.dumps({chain["field"]: token})
    return f"{chain['head']}Content-Length: {len(body)}\r\n\r\n{body}"


if __name__ == "__main__":
    json.dump(Load(json.load(sys.stdin)).run(), sys.stdout)
