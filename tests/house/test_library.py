"""docs/library.md, followed line by line: another project that has us installed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.client import PASSWORD
from tests.service import ADMIN_EMAIL, ADMIN_PASSWORD, ROOT, Service

DOCUMENT = (ROOT / "docs" / "library.md").read_text()
BLOCKS = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", DOCUMENT, re.S))
COMMANDS = "".join(re.findall(r"```sh\n(.*?)```", DOCUMENT, re.S)).splitlines()
PACKAGES = ("accounts", "authclient", "authsite", "security", "sessions_app")
PARTS = """    path("id/", include("accounts.urls")),
    path("id/", include("sessions_app.urls")),
    path("id/", include("security.api_urls")),
    path("", include("security.urls")),
"""
WHOLE = 'path("", include("authsite.urls"))'


def run(*command: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pip has built a wheel of this repository into."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    # A copy: setuptools leaves its work in the folder that it builds.
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "requirements.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    pip += ["--no-deps", "--no-compile", "--target", str(target), str(source)]
    run(*pip, folder=source, **os.environ)
    return target


@pytest.fixture(scope="module")
def project(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The document's project, made and migrated by the document's commands."""
    install, startproject, cd, startapp, *prepare, serve = COMMANDS
    folder = tmp_path_factory.mktemp("work")
    assert install.startswith("pip install ")
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    environment["PYTHONPATH"] = str(installed)
    run("sh", "-ec", "\n".join([startproject, cd, startapp]), folder=folder, **environment)
    bookshop = Service(
        folder=folder / "bookshop",
        alive="/.well-known/jwks.json",
        AUTH_DATA_DIR="",
        DJANGO_SETTINGS_MODULE="bookshop.settings",
        **environment,
    )
    for path, text in BLOCKS.items():
        if path.endswith(".py"):
            (bookshop.folder / path).write_text(text)
    (bookshop.folder / ".env").write_text("PROJECT_NAME=Bookshop\nAUTH_AUDIENCE=bookshop\n")
    for command in prepare:
        bookshop.manage(*command.removeprefix("python manage.py ").split())
    assert serve == "python manage.py quickstart"
    yield bookshop
    shutil.rmtree(bookshop.data)


def shell(project: Service, program: str) -> str:
    return project.manage("shell", "--no-imports", "-c", program)


def test_the_project_uses_what_is_installed_and_its_own_folder(
    project: Service, installed: Path
) -> None:
    said = shell(project, WHERE).split()
    code = [str(installed / package / "__init__.py") for package in ("authsite", "accounts")]
    assert said == [*code, "Bookshop", str(project.folder / "data")]
    assert (project.folder / "data" / "db.sqlite3").exists()


# The last line ends with an error if any app, ours too, lacks a migration.
WHERE = """
import accounts, authsite
from django.conf import settings
from django.core.management import call_command
print(authsite.__file__, accounts.__file__, settings.PROJECT_NAME, settings.AUTH_DATA_DIR)
call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
"""


def test_everything_but_code_is_in_the_wheel_too(installed: Path) -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                assert (installed / path.relative_to(ROOT)).exists(), path
        assert (installed / package / "py.typed").exists()


def test_authclient_needs_no_django(installed: Path, tmp_path: Path) -> None:
    program = "import sys, authclient; print(authclient.__file__, 'django' in sys.modules)"
    said = run(sys.executable, "-c", program, folder=tmp_path, PYTHONPATH=str(installed))
    assert said.split() == [str(installed / "authclient" / "__init__.py"), "False"]


@contextmanager
def served(project: Service, urls: str) -> Iterator[httpx.Client]:
    """A client of the running project, which has these routes."""
    (project.folder / "bookshop" / "urls.py").write_text(urls)
    project.start()
    try:
        with httpx.Client(base_url=project.url, timeout=30) as client:
            yield client
    finally:
        project.stop()


def sign_in(client: httpx.Client, prefix: str, **credentials: str) -> dict[str, Any]:
    answer = client.post(f"{prefix}/auth/login", json=credentials)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert f"Path={prefix}/auth;" in answer.headers["Set-Cookie"]
    pair: dict[str, Any] = answer.json()
    return pair


def orders(client: httpx.Client, pair: dict[str, Any]) -> httpx.Response:
    """The answer of the project's own view."""
    return client.get("/orders", headers={"Authorization": f"Bearer {pair['access_token']}"})


def described(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_view_of_its_own_obeys_sign_in_permission_and_logout(project: Service) -> None:
    person = {"email": "ada@example.com", "password": PASSWORD}
    with served(project, BLOCKS["bookshop/urls.py"]) as client:
        assert client.post("/id/auth/register", json=person).status_code == 201
        assert described(client.get("/orders")) == (401, "not_authenticated")
        assert described(orders(client, sign_in(client, "/id", **person))) == (403, FORBIDDEN)
        admin = {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        assert orders(client, sign_in(client, "/id", **admin)).json() == []

        shell(project, BLOCKS["grant"] + ORDER)
        pair = sign_in(client, "/id", **person)
        assert orders(client, pair).json() == ["Notes on the Analytical Engine"]
        # By cookie, which comes back only if its path is where the project put the routes.
        refreshed = client.post("/id/auth/refresh").json()
        assert refreshed["access_token"] != pair["access_token"]
        assert orders(client, refreshed).status_code == 200
        assert client.post("/id/auth/logout").status_code == 200
        assert "refresh_token" not in client.cookies
        for ended in (pair, refreshed):
            assert described(orders(client, ended)) == (401, "session_ended")

        assert described(client.get("/nowhere")) == (404, "not_found")
        about = client.get("/.well-known/openid-configuration").json()
        issuer = f"http://localhost:{project.port}"
        assert about["jwks_uri"] == f"{issuer}/.well-known/jwks.json"
        assert about["introspection_endpoint"] == f"{issuer}/id/auth/introspect"
        assert "service_documentation" not in about


def test_the_whole_service_fits_beside_its_own_routes(project: Service) -> None:
    assert PARTS in BLOCKS["bookshop/urls.py"]
    assert WHOLE in DOCUMENT
    with served(project, BLOCKS["bookshop/urls.py"].replace(PARTS, f"    {WHOLE},\n")) as client:
        admin = {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        assert orders(client, sign_in(client, "/api/v1", **admin)).status_code == 200
        for path in ("/health", "/docs", "/redoc", "/admin/login/"):
            assert client.get(path).status_code == 200, path
        assert "/orders" in client.get("/openapi.json").json()["paths"]
        console = client.get("/admin/login/").text
        for style in re.findall(r'href="(/static/[^"]*)"', console):
            assert client.get(style).status_code == 200, style
        assert "/static/authsite/console" in console


FORBIDDEN = "permission_denied"
ORDER = """
from accounts.models import User
from orders.models import Order
ada = User.objects.get(email="ada@example.com")
Order.objects.create(buyer=ada, title="Notes on the Analytical Engine")
"""
