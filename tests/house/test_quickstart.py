"""`make run`: what a newcomer's first minutes meet."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, ROOT, Service
from tests.waiting import wait_until


def processes_of(service: Service) -> dict[int, str]:
    """Pid and command line of all processes that were started with this service's data folder."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(service.data) in (entry / "environ").read_text():
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return found


def web_server_of(service: Service) -> tuple[int, list[int]]:
    """The pids of gunicorn's master and of its workers."""
    pids = [pid for pid, command in processes_of(service).items() if "gunicorn" in command]
    # The line is "pid (name) state parent …".
    parents = {
        pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        for pid in pids
    }
    [master] = [pid for pid in pids if parents[pid] not in pids]
    return master, [pid for pid in pids if pid != master]


def run(service: Service, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=service.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_and_leaves_no_process(stop_signal: signal.Signals) -> None:
    with Service.embedded() as service:
        assert len(processes_of(service)) >= 3
        assert service.stop(stop_signal) == 0
        assert processes_of(service) == {}


def test_a_start_writes_no_warning_and_a_second_one_makes_nothing_anew() -> None:
    with Service.embedded(prepare=False) as service:
        assert service.stop() == 0
        first = service.log.read_text()
        assert "Migrated the database." in first
        assert "Made the first signing keys." in first
        assert "Made the first admin: admin@example.com" in first
        service.log.write_text("")
        service.start()
        assert service.stop() == 0
        second = service.log.read_text()
    assert not re.search("Migrated|Made", second)
    assert not re.search(r'"level": "(warning|error)"|Traceback|Warning:', first + second)


def test_an_admin_password_is_generated_and_shown_once() -> None:
    with Service.embedded(FIRST_SUPERUSER_EMAIL="", FIRST_SUPERUSER_PASSWORD="") as service:
        shown = re.search(r"Its password, shown only now: (\S+)", service.log.read_text())
        assert shown
        form = {"username": "admin", "password": shown[1]}
        answer = httpx.post(f"{service.url}/api/v1/auth/login", data=form)
        assert answer.json()["is_admin"] is True


def test_secrets_are_private_files_and_the_admin_password_is_in_none(
    embedded_service: Service,
) -> None:
    for name in ("secret_key", "key_encryption_keys"):
        assert (embedded_service.data / name).stat().st_mode & 0o777 == 0o600
    assert ADMIN_PASSWORD not in embedded_service.log.read_text()


def test_a_busy_port_is_one_clear_line() -> None:
    service = Service.embedded()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", service.port))
        taken.listen()
        failed = run(service, "manage.py", "quickstart")
    assert failed.returncode == 1
    assert failed.stderr.strip().endswith("Address already in use. Set PORT to a free one.")
    assert len(failed.stderr.strip().splitlines()) == 1


def test_a_data_folder_that_cannot_be_made_is_named() -> None:
    service = Service.embedded(AUTH_DATA_DIR="/dev/null/data")
    failed = run(service, "manage.py", "quickstart")
    assert failed.returncode == 1
    assert "/dev/null/data can't be written: Not a directory." in failed.stderr
    assert len(failed.stderr.strip().splitlines()) == 1


def test_a_data_folder_that_takes_no_file_is_named() -> None:
    service = Service.embedded()
    in_the_way = service.data / ".starting"
    in_the_way.mkdir()
    failed = run(service, "manage.py", "quickstart")
    assert failed.returncode == 1
    assert failed.stderr.strip() == f"CommandError: {in_the_way} can't be written: Is a directory."


def test_an_unreachable_database_is_named() -> None:
    service = Service.embedded(
        DATABASE_URL="postgres://nobody@127.0.0.1:1/none",
        SECRET_KEY="q8Zt3vLr0Xw6Ny2Kf9Bs5Hd1Jm7Pc4Ga",
        KEY_ENCRYPTION_KEYS="zJ8mAtVvDlbr2vyPZ4OcwfFUsm9wGRvXhL8u0Jf5y0Q=",
    )
    failed = run(service, "manage.py", "quickstart")
    assert failed.returncode == 1
    assert "The database can't be used" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_web_server_alone_refuses_wrong_settings_and_does_not_try_again() -> None:
    service = Service.embedded(WEB_PROCESSES="2")
    failed = run(service, "-m", "gunicorn", "--config", "python:authsite.gunicorn")
    # 3, or 1 where both processes end at the same moment and gunicorn stumbles over the second.
    assert failed.returncode in {1, 3}
    assert "(auth.E006) WEB_PROCESSES is more than 1, but there is no REDIS_URL." in failed.stderr
    assert failed.stderr.count("Booting worker") <= 2


def test_a_lost_sealing_key_stops_the_start_and_makes_no_new_key() -> None:
    with Service.embedded() as service:
        keys = service.manage("list_keys")
        service.stop()
        service.environment["KEY_ENCRYPTION_KEYS"] = "zJ8mAtVvDlbr2vyPZ4OcwfFUsm9wGRvXhL8u0Jf5y0Q="
        failed = run(service, "manage.py", "quickstart")
        assert failed.returncode == 1
        assert "can't be opened with KEY_ENCRYPTION_KEYS" in failed.stderr
        del service.environment["KEY_ENCRYPTION_KEYS"]
        assert service.manage("list_keys") == keys


def test_a_weak_first_admin_password_is_refused_with_its_reason() -> None:
    service = Service.embedded(FIRST_SUPERUSER_PASSWORD="password")
    failed = run(service, "manage.py", "quickstart")
    assert failed.returncode == 1
    assert "The first admin can't be made" in failed.stderr


def test_the_service_ends_when_its_web_server_does() -> None:
    with Service.embedded() as service:
        master, _ = web_server_of(service)
        os.kill(master, signal.SIGKILL)
        assert service.process.wait(40) == 1
        assert "The web server ended by itself" in service.log.read_text()


def test_a_web_process_stays_under_its_memory_budget() -> None:
    """120 MiB idle, by design.md; also after its first sign-ins."""
    with Service.embedded() as service:
        for _ in range(20):
            form = {"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
            httpx.post(f"{service.url}/api/v1/auth/login", data=form)
        _, workers = web_server_of(service)
        for worker in workers:
            status = Path(f"/proc/{worker}/status").read_text()
            resident = re.search(r"VmRSS:\s+(\d+) kB", status)
            assert resident
            assert int(resident[1]) < 120 * 1024


def test_a_worker_that_dies_is_started_again_and_leaves_nothing_behind() -> None:
    with Service.embedded() as service:
        before = workers_of(service)
        master = min(before)
        os.kill(master, signal.SIGKILL)
        wait_until(lambda: workers_of(service) - before and not workers_of(service) & before)
        assert httpx.get(f"{service.url}/health/live").status_code == 200
        assert service.stop() == 0
        assert processes_of(service) == {}


def workers_of(service: Service) -> set[int]:
    return {pid for pid, command in processes_of(service).items() if "celery" in command}


def test_two_first_starts_at_once_prepare_one_after_the_other() -> None:
    urls = os.environ["TEST_DATABASE_URL"], os.environ["TEST_REDIS_URL"]
    first = Service.shared(*urls, prepare=False)
    second = Service(**{**first.environment, "AUTH_DATA_DIR": "", "PORT": ""})
    ours = {"AUTH_DATA_DIR": str(second.data), "PORT": str(second.port)}
    second.environment = first.environment | ours
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(Service.start, (first, second)))
    try:
        keys = json.loads(first.manage("list_keys", "--json"))
        assert sorted(key["state"] for key in keys) == ["current", "next"]
        assert [s.log.read_text().count("Made the first admin") for s in (first, second)] in (
            [0, 1],
            [1, 0],
        )
    finally:
        second.__exit__(None, None, None)
        first.__exit__(None, None, None)
