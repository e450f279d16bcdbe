"""Wrong settings stop the start, each with an id and what to do."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core import checks
from django.test import override_settings

from tests.service import ROOT, Service

GOOD_KEY = "zJ8mAtVvDlbr2vyPZ4OcwfFUsm9wGRvXhL8u0Jf5y0Q="


def check(*arguments: str, **settings: str) -> str:
    """What `manage.py check` says with these settings."""
    service = Service(**({"AUTH_LIMITS": "on"} | settings))
    run = subprocess.run(
        [sys.executable, "manage.py", "check", *arguments],
        cwd=ROOT,
        env=service.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout + run.stderr


PRODUCTION = {"DATABASE_URL": "postgres://u@localhost/d", "KEY_ENCRYPTION_KEYS": GOOD_KEY}
SAMPLE = "your-super-secret-key-change-this-in-production"
STRONG = "q8Zt3vLr0Xw6Ny2Kf9Bs5Hd1Jm7Pc4Ga"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"PORT": "eighty"}, "auth.E001"),
        ({"ALGORITHM": "HS256"}, "auth.E001"),
        ({"DATABASE_URL": "mysql://u@h/d"}, "auth.E001"),
        (PRODUCTION, "auth.E001"),
        (PRODUCTION | {"SECRET_KEY": "short"}, "auth.E003"),
        (
            PRODUCTION | {"SECRET_KEY": "your-super-secret-key-change-this-in-production"},
            "auth.E003",
        ),
        ({"DATABASE_URL": "postgres://u@localhost/d", "SECRET_KEY": STRONG}, "auth.E004"),
        (PRODUCTION | {"SECRET_KEY": STRONG, "KEY_ENCRYPTION_KEYS": "nonsense"}, "auth.E005"),
        ({"WEB_PROCESSES": "2"}, "auth.E006"),
        ({"TRUSTED_PROXIES": "10.0.0.300"}, "auth.E007"),
        ({"AUTH_CONSOLE_NETWORKS": "office,10.0.0.0/8"}, "auth.E007"),
        ({"AUTH_CONSOLE_IDLE_MINUTES": "1"}, "auth.E001"),
        ({"PUBLIC_KEY_PATH": "/tmp/public.pem"}, "auth.E008"),
        (PRODUCTION | {"SECRET_KEY": STRONG, "ALLOWED_HOSTS": "*"}, "auth.E009"),
        ({"PUBLIC_URL": "auth.example.org"}, "auth.E012"),
        ({"BACKEND_CORS_ORIGINS": "*"}, "auth.E012"),
        ({"PORT": "99999"}, "auth.E001"),
        ({"AUTH_SELF_SERVICE_TIERS": "gold"}, "auth.E022"),
        ({"AUTH_LIMIT_LOGIN": "5/min"}, "auth.E001"),
        ({"AUTH_CONCEAL_ACCOUNTS": "true"}, "auth.E025"),
        ({"AUTH_BREACHED_PASSWORDS_URL": "http://api.pwnedpasswords.com/range"}, "auth.E026"),
        ({"AUTH_BREACHED_PASSWORDS_URL": "https://u:p@api.pwnedpasswords.com"}, "auth.E026"),
        ({"AUTH_BREACHED_PASSWORDS_URL": "https://api.pwnedpasswords.com/range?x"}, "auth.E026"),
        ({"AUTH_LIMITS": "off"}, "auth.W024"),
        (
            PRODUCTION
            | {"SECRET_KEY": STRONG, "AUTH_LIMITS": "off", "AUTH_LIMITS_OFF_I_KNOW": "0"},
            "auth.E024",
        ),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, str], code: str) -> None:
    said = check("--tag", "auth_settings", **settings)
    assert code in said
    assert "HINT" in said


@pytest.mark.parametrize(
    "url",
    ["", "https://api.pwnedpasswords.com/range", "http://127.0.0.1:8080/range", "http://[::1]:80"],
)
def test_a_safe_range_service_is_nothing_to_complain_about(url: str) -> None:
    with override_settings(AUTH_BREACHED_PASSWORDS_URL=url, AUTH_LIMITS=True):
        assert checks.run_checks(tags=["auth_settings"]) == []


def test_an_app_that_is_not_installed_grants_nothing() -> None:
    with override_settings(AUTH_GRANTABLE_APPS=["accounts", "ordres"], AUTH_LIMITS=True):
        found = checks.run_checks(tags=["auth_settings"])
    assert [message.id for message in found] == ["auth.E023"]
    assert "'ordres'" in found[0].msg


def test_the_embedded_default_has_nothing_to_complain_about() -> None:
    assert "no issues" in check()


def test_a_production_configuration_passes_the_deploy_checks() -> None:
    said = check(
        "--deploy",
        "--fail-level",
        "WARNING",
        **PRODUCTION,
        SECRET_KEY=STRONG + STRONG,
        REDIS_URL="redis://localhost/0",
        WEB_PROCESSES="2",
        PUBLIC_URL="https://auth.example.org",
        HTTPS_ONLY="true",
        TRUSTED_PROXIES="10.0.0.0/8",
    )
    assert "no issues" in said


def test_the_deploy_checks_warn_of_the_embedded_default() -> None:
    said = check("--deploy")
    assert "auth.W010" in said
    assert "auth.W011" in said


def test_the_app_server_refuses_to_load_with_wrong_settings() -> None:
    service = Service(**PRODUCTION)
    run = subprocess.run(
        [sys.executable, "-c", "import authsite.wsgi"],
        cwd=ROOT,
        env=service.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 3
    assert "auth.E001" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_database_without_its_sealing_key_gets_no_new_one(tmp_path: Path) -> None:
    (tmp_path / "db.sqlite3").touch()
    said = check("--tag", "auth_settings", AUTH_DATA_DIR=str(tmp_path))
    assert "auth.E004" in said
    assert not (tmp_path / "key_encryption_keys").exists()
