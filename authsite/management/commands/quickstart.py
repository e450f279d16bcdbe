"""Everything that a first start needs, then the service in the foreground."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core import checks
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

STOP_SECONDS = 20
# Else glibc keeps the 19 MiB of a password hash for each thread that ever made one. Taken anew for
# each hash they come in pages of 2 MiB, not of 4 KiB, whose 4,864 faults cost 10 ms of CPU.
RETURN_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(1024 * 1024),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
STARTING_SECONDS = 30
LONGEST_PAUSE = 30.0
# Any number that nobody else uses on this database: "authsite" in hexadecimal.
ADVISORY_LOCK = 0x6175746873697465


class Command(BaseCommand):
    help = (
        "Prepare what is missing (migrate, ensure_keys, bootstrap_admin, collectstatic) and serve: "
        "web processes, worker and beat, until Ctrl-C or SIGTERM."
    )

    # The other checks look at code, which doesn't change between starts, and take half a second.
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_wrong_settings()
        refuse_busy_port()
        try:
            with alone():
                self.prepare()
        except DatabaseError as error:
            raise CommandError(f"The database can't be used: {str(error).strip()}") from error
        self.stdout.flush()
        Supervisor(self.stdout).run()

    def prepare(self) -> None:
        """What is missing, in the order in which one needs the other."""
        if has_unapplied_migrations():
            call_command("migrate", interactive=False, verbosity=0)
            self.stdout.write("Migrated the database.")
        call_command("ensure_keys", stdout=self.stdout)
        call_command("bootstrap_admin", stdout=self.stdout)
        collect_static_files()


def refuse_wrong_settings() -> None:
    """A line for each wrong setting, with what to do."""
    wrong = [m for m in checks.run_checks(tags=["auth_settings"]) if m.level >= checks.ERROR]
    if wrong:
        raise CommandError("\n".join(f"{m.msg} {m.hint} ({m.id})" for m in wrong))


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Two first starts at once prepare one after the other, on one host or on several."""
    path = settings.AUTH_DATA_DIR / ".starting"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = path.open("w")
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}.") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if connection.vendor != "postgresql":
            yield
            return
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0; SET statement_timeout = 0")
            cursor.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
        try:
            yield
        finally:
            connection.close()


def refuse_busy_port() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.BIND_ADDRESS, settings.PORT))
        except OSError as error:
            address = f"{settings.BIND_ADDRESS}:{settings.PORT}"
            raise CommandError(
                f"Can't listen on {address}: {error.strerror}. Set PORT to a free one."
            ) from error


def has_unapplied_migrations() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def collect_static_files() -> None:
    """Collect and compress only when a file changed: it takes seconds."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list(None):
            size = storage.size(path)
            modified = storage.get_modified_time(path).timestamp()
            digest.update(f"{path} {size} {modified}\n".encode())
    stamp = settings.STATIC_ROOT / ".collected"
    if not stamp.exists() or stamp.read_text() != digest.hexdigest():
        # In a process of its own, whose hundreds of MiB end with it.
        collect = ["collectstatic", "--no-input", "--verbosity", "0"]
        command = [sys.executable, "-m", "django", *collect]
        subprocess.run(command, cwd=settings.BASE_DIR, check=True)
        stamp.write_text(digest.hexdigest())


class Supervisor:
    """The web server and the worker as children; when the web server ends, so does all."""

    def __init__(self, stdout: Any) -> None:
        self.stdout = stdout
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.stopping = False

    def run(self) -> None:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, self._stop)
        metrics = settings.AUTH_DATA_DIR / "metrics"
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir(mode=0o700, parents=True)
        self._start(
            "web server",
            ["gunicorn", "--config", "python:authsite.gunicorn"],
            {"PROMETHEUS_MULTIPROC_DIR": str(metrics), **RETURN_MEMORY},
        )
        # Two starts at once on two cores would keep the first answer waiting.
        if self._announce():
            self._start_worker()
        failed = self._wait()
        self._end_all()
        if failed:
            raise CommandError(f"The {failed} ended by itself; the lines above say why.")

    def _start(self, name: str, command: list[str], extra: dict[str, str] | None = None) -> None:
        # A session of its own: Ctrl-C reaches this process only, which then stops them in order.
        self.children[name] = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=settings.BASE_DIR,
            env=os.environ | (extra or {}),
            start_new_session=True,
        )

    def _start_worker(self) -> None:
        self._start(
            "worker",
            f"celery --quiet -A authsite worker --beat --pool solo --without-gossip "
            f"--without-mingle --loglevel {settings.LOG_LEVEL}".split(),
            # Containers commonly run everything as root; Celery would warn at each start.
            {"PYTHONWARNINGS": "ignore:You're running the worker with superuser"},
        )

    def _announce(self) -> bool:
        """Wait until the web server listens, and say where; False if it does not."""
        host = "127.0.0.1" if settings.BIND_ADDRESS == "0.0.0.0" else settings.BIND_ADDRESS
        deadline = time.monotonic() + STARTING_SECONDS
        while time.monotonic() < deadline and not self.stopping and not self._ended():
            with socket.socket() as probe:
                if probe.connect_ex((host, settings.PORT)) == 0:
                    url = settings.PUBLIC_URL
                    self.stdout.write(
                        f"Ready: {url}  (API {url}/api/v1, docs {url}/docs, console {url}/admin/)"
                    )
                    self.stdout.flush()
                    return True
            time.sleep(0.05)
        return False

    def _wait(self) -> str | None:
        """Until a stop is asked for or the web server ends; a worker that ends starts again."""
        pause = 1.0
        while not self.stopping:
            ended = self._ended()
            if ended == "worker":
                self.stdout.write(
                    f"The worker ended by itself; starting it again in {pause:.0f} s."
                )
                _kill_group(self.children[ended])
                self._sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                if not self.stopping:
                    self._start_worker()
            elif ended:
                return None if self.stopping else ended
            time.sleep(0.2)
        return None

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.stopping:
            time.sleep(0.1)

    def _ended(self) -> str | None:
        for name, child in self.children.items():
            if child.poll() is not None:
                return name
        return None

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def _end_all(self) -> None:
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children.values():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.stdout.write("A process did not stop in time and was killed.")
            _kill_group(child)


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """End what a child left behind, such as the beat of a worker that was killed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
