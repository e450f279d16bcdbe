"""Starts the control the way the service runs: two processes with threads, on PostgreSQL."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx

from tests.databases import create_database, drop_database
from tests.servers import free_port
from tests.service import ROOT, STARTING_SECONDS

USERNAME = "control"
PASSWORD = "a-password-of-the-control"


@contextmanager
def running(database_url: str) -> Iterator[str]:
    """The URL of a running control with one user."""
    url = create_database(database_url)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.races.stock_simplejwt.settings",
        "DATABASE_URL": url,
        "SECRET_KEY": uuid4().hex + uuid4().hex,
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }
    django = [sys.executable, "-m", "django"]
    for command in (
        ["migrate", "--verbosity", "0"],
        ["createsuperuser", "--no-input", "--username", USERNAME, "--email", "c@example.com"],
    ):
        subprocess.run(
            [*django, *command], cwd=ROOT, env=environment, check=True, capture_output=True
        )
    address = f"127.0.0.1:{free_port()}"
    options = f"--bind {address} --workers 2 --worker-class gthread --threads 8 --log-level warning"
    application = "tests.races.stock_simplejwt.wsgi"
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options.split(), "--no-control-socket", application],
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + STARTING_SECONDS
        while not _answers(address):
            assert server.poll() is None, "The control ended by itself."
            assert time.monotonic() < deadline, "The control did not start."
            time.sleep(0.1)
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait(40)
        drop_database(database_url, url)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/", timeout=2).status_code == 404
    except httpx.TransportError:
        return False
