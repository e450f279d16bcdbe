"""The systems under test: how each is started, and what its requests look like."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode

from authsite.management.commands.quickstart import RETURN_MEMORY
from benchmarks.load import refresh_request
from tests.databases import create_database, drop_database
from tests.servers import free_port
from tests.service import ROOT, STARTING_SECONDS, Service

PROCESSES = 2
THREADS = 8
# OWASP's least, which is our default: time cost, KiB, parallelism.
ARGON2 = (2, 19 * 1024, 1)
USERS = [f"user{number}@example.com" for number in range(64)]
PASSWORD = "poetical science 1843"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"


@dataclass(frozen=True)
class Surface:
    """Where a system's three operations are, and what it calls its tokens."""

    me: str
    login: str
    refresh: str | None
    access: str = "access_token"
    refresh_field: str = "refresh_token"
    form: bool = False


@dataclass
class Running:
    """A system that has started, with a session for each of its users."""

    name: str
    surface: Surface
    port: int
    pid: int
    access_tokens: list[str] = field(default_factory=list)
    refresh_tokens: list[str] = field(default_factory=list)

    def sign_everybody_in(self) -> None:
        for user in USERS:
            request = self.login_request(user)
            head, _, body = request.partition("\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
            url = f"http://127.0.0.1:{self.port}{self.surface.login}"
            call = urllib.request.Request(url, body.encode(), headers)
            with urllib.request.urlopen(call, timeout=30) as answer:
                pair = json.load(answer)
            self.access_tokens.append(pair[self.surface.access])
            self.refresh_tokens.append(pair.get(self.surface.refresh_field, ""))

    def offers(self, operation: str) -> bool:
        return operation != "refresh" or self.surface.refresh is not None

    def plan(self, operation: str, *, connections: int, seconds: float) -> dict[str, Any]:
        """What benchmarks.load should send."""
        chain = None
        if operation == "me":
            requests = [self.me_request(token) for token in self.access_tokens]
        elif operation == "login":
            requests = [self.login_request(user) for user in USERS]
        else:
            chain = {
                "field": self.surface.refresh_field,
                "head": self._head("POST", str(self.surface.refresh), "application/json"),
            }
            requests = [
                refresh_request(chain, token) for token in self.refresh_tokens[:connections]
            ]
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "seconds": seconds,
            "requests": [requests[number::connections] for number in range(connections)],
            "chain": chain,
        }

    def take_over(self, answers: list[dict[str, str]]) -> None:
        """The successors of the refresh tokens that a load has spent."""
        for number, answer in enumerate(answers):
            self.refresh_tokens[number] = answer[self.surface.refresh_field]

    def me_request(self, token: str) -> str:
        return f"{self._head('GET', self.surface.me)}Authorization: Bearer {token}\r\n\r\n"

    def login_request(self, user: str) -> str:
        fields = {"username": user, "password": PASSWORD}
        body = urlencode(fields) if self.surface.form else json.dumps(fields)
        media = "x-www-form-urlencoded" if self.surface.form else "json"
        head = self._head("POST", self.surface.login, f"application/{media}")
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}"

    def _head(self, method: str, path: str, media_type: str = "") -> str:
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            f"User-Agent: {BROWSER}",
            "Accept: application/json",
            *([f"Content-Type: {media_type}"] if media_type else []),
        ]
        return "\r\n".join(lines) + "\r\n"


@dataclass(frozen=True)
class Servers:
    """What all systems share, and the key that the peers sign with."""

    database_url: str
    redis_url: str
    private_key: str
    public_key: str

    def redis(self, number: int) -> str:
        return f"{self.redis_url.rpartition('/')[0]}/{number}"


OURS = Surface(
    me="/api/v1/users/me",
    login="/api/v1/auth/login",
    refresh="/api/v1/auth/refresh",
)
# The others have no limits, and a load test is what ours are there to stop.
LIMITS_OFF = {"AUTH_LIMITS": "off", "AUTH_LIMITS_OFF_I_KNOW": "1"}


@contextmanager
def ours(servers: Servers) -> Iterator[Running]:
    """This service as `make run` starts it: web processes, worker and beat."""
    settings = LIMITS_OFF | {"WEB_PROCESSES": str(PROCESSES), "WEB_THREADS": str(THREADS)}
    with Service.shared(servers.database_url, servers.redis_url, **settings) as service:
        register_users(service)
        yield Running("this service", OURS, service.port, service.process.pid)


def register_users(service: Service) -> None:
    with service.client() as client:
        for user in USERS:
            body = {"email": user, "password": PASSWORD, "full_name": "Ada Lovelace"}
            client.post("/auth/register", json=body).raise_for_status()


STOCK = Surface(
    me="/users/me",
    login="/token",
    refresh="/token/refresh",
    access="access",
    refresh_field="refresh",
)


@contextmanager
def stock_simplejwt(servers: Servers) -> Iterator[Running]:
    package = "benchmarks.peers.stock_simplejwt"
    gunicorn = (
        f"{sys.executable} -m gunicorn --bind 127.0.0.1:{{port}} --workers {PROCESSES} "
        f"--worker-class gthread --threads {THREADS} --log-level warning --no-control-socket "
        f"{package}.wsgi"
    )
    with peer(
        "DRF + SimpleJWT",
        STOCK,
        servers,
        seed=[sys.executable, "-m", f"{package}.seed"],
        command=gunicorn,
        redis=13,
        DJANGO_SETTINGS_MODULE=f"{package}.settings",
    ) as running:
        yield running


UVICORN = (
    f"{PEERS_PYTHON} -m uvicorn --host 127.0.0.1 --port {{port}} --workers {PROCESSES} "
    "--no-access-log --log-level warning "
)


@contextmanager
def plain_fastapi(servers: Servers) -> Iterator[Running]:
    with peer(
        "FastAPI + PyJWT + SQLAlchemy",
        Surface(me="/users/me", login="/auth/login", refresh="/auth/refresh"),
        servers,
        seed=[str(PEERS_PYTHON), "-m", "benchmarks.peers.database"],
        command=UVICORN + "benchmarks.peers.plain_fastapi:app",
        redis=12,
    ) as running:
        yield running


@contextmanager
def fastapi_users(servers: Servers) -> Iterator[Running]:
    with peer(
        "fastapi-users",
        Surface(me="/users/me", login="/auth/login", refresh=None, form=True),
        servers,
        seed=[str(PEERS_PYTHON), "-m", "benchmarks.peers.database"],
        command=UVICORN + "benchmarks.peers.fastapi_users_app:app",
        redis=11,
    ) as running:
        yield running


@contextmanager
def peer(
    name: str,
    surface: Surface,
    servers: Servers,
    *,
    seed: list[str],
    command: str,
    redis: int,
    **extra: str,
) -> Iterator[Running]:
    """A peer on a database of its own, with the users seeded."""
    port = free_port()
    database_url = create_database(servers.database_url)
    time_cost, memory_kib, parallelism = map(str, ARGON2)
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "REDIS_URL": servers.redis(redis),
        "SECRET_KEY": "a key of the benchmark that signs nothing",
        "PRIVATE_KEY": servers.private_key,
        "PUBLIC_KEY": servers.public_key,
        "ARGON2_TIME_COST": time_cost,
        "ARGON2_MEMORY_KIB": memory_kib,
        "ARGON2_PARALLELISM": parallelism,
        "USERS": json.dumps(USERS),
        "PASSWORD": PASSWORD,
        **extra,
    }
    subprocess.run(seed, cwd=ROOT, env=environment, check=True)
    process = start(command.format(port=port).split(), environment, port)
    try:
        yield Running(name, surface, port, process.pid)
    finally:
        stop(process)
        drop_database(servers.database_url, database_url)


def start(
    command: list[str], environment: dict[str, str], port: int, log: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    """A server that answers."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    deadline = time.monotonic() + STARTING_SECONDS
    while not answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(process)
            raise RuntimeError(f"{command} did not start.")
        time.sleep(0.1)
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    process.wait(40)


def answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@contextmanager
def ours_on(server: str, servers: Servers) -> Iterator[Running]:
    """The web processes alone on an app server, to compare app servers."""
    service = Service.shared(servers.database_url, servers.redis_url, **LIMITS_OFF)
    service.environment["WEB_PROCESSES"] = str(PROCESSES)
    metrics = service.data / "metrics"
    with service:
        register_users(service)
        service.stop()
        metrics.mkdir(exist_ok=True)
        environment = service.environment | {
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
            **RETURN_MEMORY,
        }
        with service.log.open("ab") as log:
            process = start(app_server(server, service.port), environment, service.port, log)
        try:
            yield Running(f"on {server}", OURS, service.port, process.pid)
        finally:
            stop(process)


def app_server(name: str, port: int) -> list[str]:
    if name == "gunicorn":
        return [sys.executable, "-m", "gunicorn", "--config", "python:authsite.gunicorn"]
    # Granian lies in the peers' environment; everything else comes from ours, which is first.
    packages = next(Path(PEERS_PYTHON).parent.parent.glob("lib/*/site-packages"))
    program = (
        f"import sys; sys.path.append({str(packages)!r}); "
        "from granian.cli import entrypoint; entrypoint()"
    )
    options = (
        f"--interface wsgi --host 127.0.0.1 --port {port} --workers {PROCESSES} "
        f"--blocking-threads {THREADS} --log-level warning authsite.wsgi:application"
    )
    return [sys.executable, "-c", program, *options.split()]
