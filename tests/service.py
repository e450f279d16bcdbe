"""The service as its user runs it: `manage.py quickstart` in processes of its own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import httpx

from tests import prepared
from tests.databases import create_database, drop_database
from tests.servers import free_port

ROOT = prepared.ROOT
STARTING_SECONDS = 60
# One hash is a fraction of a millisecond with these; who measures or races hashes goes without.
CHEAP_HASH = {"AUTH_ARGON2_MEMORY_KIB": "64", "AUTH_ARGON2_TIME_COST": "1"}
ADMIN_EMAIL = "admin@example.com"
ADMIN_PASSWORD = "an-admin-of-the-tests"
# What the environment of this test run must not tell the service.
OURS = ("DATABASE_URL", "REDIS_URL", "AUTH_", "ALLOWED_HOSTS", "LOG_LEVEL", "SECRET_KEY", "KEY_ENC")


class Service:
    """One running service; `client` speaks to it over HTTP."""

    def __init__(
        self, *, folder: Path = ROOT, alive: str = "/health/live", **settings: str
    ) -> None:
        self.folder = folder
        self.alive = alive
        self.data = Path(tempfile.mkdtemp(prefix="authsite-service-"))
        self.port = free_port()
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
        self.environment = inherited | {
            "AUTH_DATA_DIR": str(self.data),
            "PORT": str(self.port),
            "FIRST_SUPERUSER_EMAIL": ADMIN_EMAIL,
            "FIRST_SUPERUSER_PASSWORD": ADMIN_PASSWORD,
            "AUTH_LIMITS": "off",
            "AUTH_LIMITS_OFF_I_KNOW": "1",
            **settings,
        }
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.data / "service.log"
        self.created: tuple[str, str] | None = None
        # What the data folder holds before the first start.
        self.to_copy: Path | None = None

    @classmethod
    def embedded(cls, *, prepare: bool = True, **settings: str) -> "Service":
        """One process on SQLite. Unless `prepare`, its first start does all that one has to."""
        service = cls(**settings)
        service.to_copy = prepared.data_folder() if prepare else None
        return service

    @classmethod
    def shared(
        cls, database_url: str, redis_url: str, *, prepare: bool = True, **settings: str
    ) -> "Service":
        """Two processes on a new database of the server."""
        original = {"copy_of": prepared.database(database_url)} if prepare else {}
        url = create_database(database_url, **original)
        defaults = {
            "DATABASE_URL": url,
            "REDIS_URL": redis_url,
            "WEB_PROCESSES": "2",
            # Each keeps a connection, and all workers of a test run share PostgreSQL's hundred.
            "WEB_THREADS": "4",
            "SECRET_KEY": uuid4().hex + uuid4().hex,
            "KEY_ENCRYPTION_KEYS": "zJ8mAtVvDlbr2vyPZ4OcwfFUsm9wGRvXhL8u0Jf5y0Q=",
        }
        service = cls(**(defaults | settings))
        service.created = (database_url, url)
        service.to_copy = prepared.static_folder() if prepare else None
        return service

    def __enter__(self) -> "Service":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        if self.created:
            drop_database(*self.created)

    def start(self) -> None:
        if self.to_copy:
            shutil.copytree(self.to_copy, self.data, dirs_exist_ok=True)
            self.to_copy = None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "quickstart"],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + STARTING_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The service did not start:\n{self.log.read_text()}")
            time.sleep(0.1)

    def stop(self, stop_signal: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(stop_signal)
        return self.process.wait(40)

    def manage(self, *command: str) -> str:
        """What a management command against this service prints."""
        run = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise RuntimeError(run.stderr)
        return run.stdout

    def client(self, **options: Any) -> httpx.Client:
        """A client whose base URL is the API's."""
        return httpx.Client(base_url=f"{self.url}/api/v1", timeout=30, **options)

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url + self.alive, timeout=2).status_code == 200
        except httpx.TransportError:
            return False
