"""Does the service get slower with a million users? And does pruning hold anybody up?

Usage: python -m benchmarks.scale [USERS]
Two services side by side, on a thousand users and on USERS (a million), each with three sessions a
user, on a private PostgreSQL; each request is sent to both in turn. Then a million old sessions are
pruned while clients refresh and sign in. Takes a quarter of an hour, and 5 GB of temporary space.
"""

import math
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from benchmarks.seed import PASSWORD, SESSIONS_EACH, seed_prunable, seed_users
from tests.servers import PrivateServers
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, Service

FEW = 1000
ROUNDS = 200
PRUNABLE = 1_000_000
QUIET_SECONDS = 30
# A server as one would run it, where the tests' own trades safety for speed.
SERVER = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    # Writes down whoever waits for a lock for longer than this.
    "log_lock_waits": "on",
    "deadlock_timeout": "50ms",
}
LISTS = {
    "list, page 1": "",
    "search, one letter": "search=a",
    "search, a first name": "search=grace",
    "search, rare": "search=zephyr",
    "search, only old users": "search=import",
    "search, none": "search=nobody",
    "search, the newest first": "search=ada&ordering=-created_at",
    "role, rare": "role=admin",
    "role, common": "role=user",
    "tier, rare": "tier=enterprise",
    "tier, common": "tier=free",
    "inactive (rare)": "is_active=false",
    "active (common)": "is_active=true",
    "role and tier": "role=guest&tier=premium",
    "by username": "ordering=username",
    "by e-mail, backwards": "ordering=-email",
}


class Side:
    """One of the two services, and an operator who is signed in to it."""

    def __init__(self, service: Service, users: int) -> None:
        self.users = users
        self.http = service.client()
        body = {"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        pair = self.http.post("/auth/login", json=body).raise_for_status().json()
        self.http.headers["Authorization"] = f"Bearer {pair['access_token']}"
        self.person = self._get("/users?search=margaret")["results"][0]
        self.deep = self._page(min(10_000, users // 40))
        self.refresh_token = self.login().json()["refresh_token"]

    def _get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def _page(self, number: int) -> str:
        """The query of a page of 20, found by going there in pages of 100."""
        query = "page_size=100"
        for _ in range((number - 1) // 5):
            query = self._get(f"/users?{query}")["next"].partition("?")[2]
        return str(httpx.QueryParams(query).set("page_size", 20))

    def login(self) -> httpx.Response:
        return self.http.post("/auth/login", json=self._credentials())

    def refresh(self) -> httpx.Response:
        answer = self.http.post("/auth/refresh", json={"refresh_token": self.refresh_token})
        self.refresh_token = answer.raise_for_status().json()["refresh_token"]
        return answer

    def operations(self) -> dict[str, Callable[[], httpx.Response]]:
        lists = {name: self._reader(f"/users?{query}") for name, query in LISTS.items()}
        return lists | {
            "list, page 10,000": self._reader(f"/users?{self.deep}"),
            "read one user": self._reader(f"/users/{self.person['id']}"),
            "sessions of a user": self._reader(f"/users/{self.person['id']}/sessions"),
            "own sessions": self._reader("/sessions"),
            "own profile": self._reader("/users/me"),
            "sign in": self.login,
            "refresh": self.refresh,
        }

    def _reader(self, path: str) -> Callable[[], httpx.Response]:
        return lambda: self.http.get(path)

    def _credentials(self) -> dict[str, str]:
        return {"username": self.person["email"], "password": PASSWORD}


def milliseconds(request: Callable[[], httpx.Response]) -> float:
    started = time.perf_counter()
    request().raise_for_status()
    return (time.perf_counter() - started) * 1000


def p99(times: list[float]) -> float:
    return sorted(times)[math.ceil(len(times) * 0.99) - 1]


def compare(few: Side, many: Side) -> None:
    """A table of medians and 99th percentiles; the two sides take turns within each round."""
    print(f"\n| in ms | {few.users:,}: median | p99 | {many.users:,}: median | p99 | ratio |")
    print("|---|---|---|---|---|---|")
    pairs = zip(few.operations().items(), many.operations().values(), strict=True)
    for (name, on_few), on_many in pairs:
        times: tuple[list[float], list[float]] = ([], [])
        for turn in range(ROUNDS + 10):
            measured = milliseconds(on_few), milliseconds(on_many)
            if turn >= 10:
                times[0].append(measured[0])
                times[1].append(measured[1])
        a, b = (statistics.median(side) for side in times)
        print(
            f"| {name} | {a:.1f} | {p99(times[0]):.1f} | {b:.1f} | {p99(times[1]):.1f} "
            f"| {b / a:.2f} |",
            flush=True,
        )


class Clients:
    """Two clients that refresh and sign in all the time, after a pause for breath."""

    PAUSES = {"refresh": 0.01, "sign in": 0.1}

    def __init__(self, side: Side) -> None:
        self.times: dict[str, list[float]] = {"refresh": [], "sign in": []}
        requests = {"refresh": side.refresh, "sign in": side.login}
        self.over = threading.Event()
        self.threads = [
            threading.Thread(target=self._go_on, args=(name, request))
            for name, request in requests.items()
        ]

    def _go_on(self, name: str, request: Callable[[], httpx.Response]) -> None:
        while not self.over.wait(self.PAUSES[name]):
            self.times[name].append(milliseconds(request))

    def __enter__(self) -> "Clients":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def tell(self, when: str) -> None:
        for name, times in self.times.items():
            print(
                f"| {name}, {when} | {len(times)} | {statistics.median(times):.1f} "
                f"| {p99(times):.1f} | {max(times):.1f} |",
                flush=True,
            )


def prune(service: Service, side: Side) -> None:
    """Latencies without and with a pruning of very many sessions in another process."""
    seed_prunable(service.environment["DATABASE_URL"], PRUNABLE)
    print("\n| in ms | requests | median | p99 | longest |\n|---|---|---|---|---|")
    with Clients(side) as clients:
        time.sleep(QUIET_SECONDS)
    clients.tell("before")
    started = time.monotonic()
    with Clients(side) as clients:
        deleted = service.manage("prune_sessions", "--json").strip()
    clients.tell("while pruning")
    print(f"\n{deleted} in {time.monotonic() - started:.0f} s")


def main(users: int) -> None:
    servers = PrivateServers()
    database = servers.postgresql(**SERVER)
    redis = servers.valkey().rpartition("/")[0]
    options = {"WEB_PROCESSES": "1", "AUTH_LIMITS": "off", "AUTH_LIMITS_OFF_I_KNOW": "1"}
    options |= {"LOG_LEVEL": "WARNING"}
    with (
        Service.shared(database, f"{redis}/1", **options) as on_few,
        Service.shared(database, f"{redis}/2", **options) as on_many,
    ):
        for service, count in ((on_few, FEW), (on_many, users)):
            started = time.monotonic()
            seed_users(service.environment["DATABASE_URL"], count)
            seconds = time.monotonic() - started
            print(f"{count:,} users, {count * SESSIONS_EACH:,} sessions: seeded in {seconds:.0f} s")
        print("load:", *(f"{load:.1f}" for load in os.getloadavg()), flush=True)
        few, many = Side(on_few, FEW), Side(on_many, users)
        compare(few, many)
        prune(on_many, many)
        waits = (servers.folder / "0.log").read_text().count("still waiting for")
        print(f"waits for a lock of more than 50 ms: {waits}")
        print("load:", *(f"{load:.1f}" for load in os.getloadavg()))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
