"""What every first start makes alike, made once a run: it is most of a start's time."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import psycopg

from tests.databases import create_database, drop_database

ROOT = Path(__file__).resolve().parent.parent
PREPARE = """
import django
django.setup()
from django.core.management import call_command
from authsite.management.commands.quickstart import collect_static_files
call_command("migrate", verbosity=0)
collect_static_files()
"""


@cache
def data_folder() -> Path:
    """A data folder with a migrated SQLite database, the static files and the secrets."""
    folder = Path(tempfile.mkdtemp(prefix="authsite-prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _prepare(folder, {})
    return folder


@cache
def static_folder() -> Path:
    """The same with the static files alone."""
    folder = Path(tempfile.mkdtemp(prefix="authsite-prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(data_folder() / "static", folder / "static")
    return folder


@cache
def database(server_url: str) -> str:
    """The URL of a migrated database on the server, to be copied from."""
    url = create_database(server_url)
    atexit.register(_drop, server_url, url)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(static_folder(), folder, dirs_exist_ok=True)
        _prepare(Path(folder), {"DATABASE_URL": url})
    return url


def _prepare(folder: Path, settings: dict[str, str]) -> None:
    ours = {"DJANGO_SETTINGS_MODULE": "authsite.settings", "AUTH_DATA_DIR": str(folder)}
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    subprocess.run(
        [sys.executable, "-c", PREPARE], cwd=ROOT, env=inherited | ours | settings, check=True
    )


def _drop(server_url: str, url: str) -> None:
    # A server of one test alone is gone by now, with all that it held.
    with suppress(psycopg.OperationalError):
        drop_database(server_url, url)
