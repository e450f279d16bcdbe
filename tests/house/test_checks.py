"""Wrong settings stop the start, each with an id and what to do."""

import re
import subprocess
import sys
from base64 import urlsafe_b64encode
from hashlib import sha256
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


SAMPLE = "your-super-secret-key-change-this-in-production"
STRONG = "q8Zt3vLr0Xw6Ny2Kf9Bs5Hd1Jm7Pc4Ga"
PRODUCTION = {"DATABASE_URL": "postgres://u@localhost/d", "KEY_ENCRYPTION_KEYS": GOOD_KEY}
START = PRODUCTION | {"SECRET_KEY": STRONG}


def sealing_key(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode()


def example() -> dict[str, str]:
    """The production configuration of docs/operations.md."""
    text = (ROOT / "docs/operations.md").read_text()
    block = text.partition("## Production")[2].partition("```sh\n")[2].partition("```")[0]
    secrets = {"SECRET_KEY": STRONG + STRONG, "KEY_ENCRYPTION_KEYS": GOOD_KEY}
    others = {"FIRST_SUPERUSER_PASSWORD": ""}
    return dict(line.split("=", 1) for line in block.splitlines()) | secrets | others


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"PORT": "eighty"}, "auth.E001"),
        ({"ALGORITHM": "HS256"}, "auth.E001"),
        ({"DATABASE_URL": "mysql://u@h/d"}, "auth.E001"),
        (PRODUCTION, "auth.E001"),
        (PRODUCTION | {"SECRET_KEY": "short"}, "auth.E003"),
        (PRODUCTION | {"SECRET_KEY": SAMPLE}, "auth.E003"),
        ({"DATABASE_URL": "postgres://u@localhost/d", "SECRET_KEY": STRONG}, "auth.E004"),
        (START | {"KEY_ENCRYPTION_KEYS": "nonsense"}, "auth.E005"),
        ({"WEB_PROCESSES": "2"}, "auth.E006"),
        ({"TRUSTED_PROXIES": "10.0.0.300"}, "auth.E007"),
        ({"AUTH_CONSOLE_NETWORKS": "office,10.0.0.0/8"}, "auth.E007"),
        ({"AUTH_CONSOLE_IDLE_MINUTES": "1"}, "auth.E001"),
        ({"PUBLIC_KEY_PATH": "/tmp/public.pem"}, "auth.E008"),
        (START | {"ALLOWED_HOSTS": "*"}, "auth.E009"),
        ({"PUBLIC_URL": "auth.example.org"}, "auth.E012"),
        ({"BACKEND_CORS_ORIGINS": "*"}, "auth.E012"),
        ({"PORT": "99999"}, "auth.E001"),
        ({"AUTH_SESSION_RETENTION_DAYS": "1000000"}, "auth.E001"),
        ({"AUTH_PASSWORD_MIN_LENGTH": "257"}, "auth.E001"),
        ({"REDIS_HOST": "cache", "REDIS_PORT": "99999"}, "auth.E001"),
        ({"CELERY_BROKER_URL": "foo"}, "auth.E001"),
        ({"AUTH_SELF_SERVICE_TIERS": "gold"}, "auth.E022"),
        ({"AUTH_LIMIT_LOGIN": "5/min"}, "auth.E001"),
        ({"AUTH_CONCEAL_ACCOUNTS": "true"}, "auth.E025"),
        ({"AUTH_BREACHED_PASSWORDS_URL": "http://api.pwnedpasswords.com/range"}, "auth.E026"),
        ({"AUTH_BREACHED_PASSWORDS_URL": "https://u:p@api.pwnedpasswords.com"}, "auth.E026"),
        ({"AUTH_BREACHED_PASSWORDS_URL": "https://api.pwnedpasswords.com/range?x"}, "auth.E026"),
        ({"DEFAULT_FROM_EMAIL": "Acme, Inc. <x@example.org>"}, "auth.E027"),
        ({"DEFAULT_FROM_EMAIL": "Acme Inc"}, "auth.E027"),
        ({"AUTH_LIMITS": "off"}, "auth.W024"),
        (START | {"AUTH_LIMITS": "off", "AUTH_LIMITS_OFF_I_KNOW": "0"}, "auth.E024"),
        ({"AUTH_SILENCED_CHECKS": "auth.E009"}, "auth.E001"),
        ({"AUTH_SILENCED_CHECKS": "auth.W051,urls.W001"}, "auth.E001"),
        ({"PUBLIC_URL": "https://auth.example.org", "SECURE_COOKIES": "false"}, "auth.E041"),
        ({"TRUSTED_PROXIES": "0.0.0.0/0"}, "auth.E044"),
        ({"TRUSTED_PROXIES": "10.0.0.0/8,::/0"}, "auth.E044"),
        ({"TRUSTED_PROXIES": "0.0.0.0/1,128.0.0.0/1"}, "auth.E044"),
        (START | {"SECRET_KEY": GOOD_KEY}, "auth.E048"),
        (START | {"SECRET_KEY": f"{STRONG}{GOOD_KEY}"}, "auth.E048"),
        (START | {"KEY_ENCRYPTION_KEYS": sealing_key(STRONG.encode())}, "auth.E048"),
        (
            START | {"KEY_ENCRYPTION_KEYS": sealing_key(sha256(STRONG.encode()).digest())},
            "auth.E048",
        ),
        (
            START | {"KEY_ENCRYPTION_KEYS": f"{GOOD_KEY},{sealing_key(b'0123456789abcdef' * 2)}"},
            "auth.E049",
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


@pytest.mark.parametrize(
    "sender", ["", "x@", "x@[", "Acme <>", "a@b.example, c@d.example", f"x@{'a' * 64}.example"]
)
def test_a_sender_that_no_mail_can_be_written_from_is_named(sender: str) -> None:
    with override_settings(DEFAULT_FROM_EMAIL=sender, AUTH_LIMITS=True):
        [found] = checks.run_checks(tags=["auth_settings"])
    assert found.id == "auth.E027"
    assert "DEFAULT_FROM_EMAIL" in found.msg


@pytest.mark.parametrize(
    "sender", ["x@localhost", '"Acme, Inc." <x@example.org>', "Zo\u00eb <x@example.org>"]
)
def test_a_sender_with_a_name_is_nothing_to_complain_about(sender: str) -> None:
    with override_settings(DEFAULT_FROM_EMAIL=sender, AUTH_LIMITS=True):
        assert checks.run_checks(tags=["auth_settings"]) == []


def test_a_service_at_an_ipv6_address_has_a_sender() -> None:
    assert "no issues" in check(PUBLIC_URL="http://[::1]:8000")


def test_an_app_that_is_not_installed_grants_nothing() -> None:
    with override_settings(AUTH_GRANTABLE_APPS=["accounts", "ordres"], AUTH_LIMITS=True):
        found = checks.run_checks(tags=["auth_settings"])
    assert [message.id for message in found] == ["auth.E023"]
    assert "'ordres'" in found[0].msg


def test_the_embedded_default_has_nothing_to_complain_about() -> None:
    assert "no issues" in check()


def deployed(**changes: str) -> str:
    """What `check --deploy` says of the documented configuration with some changes."""
    return check("--deploy", "--fail-level", "WARNING", **(example() | changes))


def test_the_documented_production_configuration_passes_the_deploy_checks() -> None:
    assert {"DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "EMAIL_URL"} <= example().keys()
    assert "no issues" in deployed()


@pytest.mark.parametrize(
    "changes",
    [
        {"DATABASE_URL": "postgres://u:p@127.0.0.1/d", "REDIS_URL": "redis://[::1]:6379/0"},
        {"DATABASE_URL": "postgres://u:p@/d?host=/run/postgresql", "REDIS_URL": "unix:///r.sock"},
        {"CELERY_BROKER_URL": "amqps://u:p@rabbit.example.org//"},
        {"EMAIL_URL": "smtp+ssl://u:p@mail.example.org:465"},
        {"EMAIL_URL": "smtp://localhost:25"},
        {"ALLOWED_HOSTS": ".example.org"},
        {"TRUSTED_PROXIES": "10.0.0.0/8,fc00::/7,203.0.113.7"},
        {"AUTH_ARGON2_MEMORY_KIB": "47104", "AUTH_ARGON2_TIME_COST": "1"},
        {"AUTH_DOCS": "public"},
        {"ACCESS_TOKEN_EXPIRE_MINUTES": "60"},
        {"REDIS_URL": "redis://:p@redis/0", "AUTH_SILENCED_CHECKS": "auth.W051"},
    ],
)
def test_what_is_as_safe_passes_them_too(changes: dict[str, str]) -> None:
    assert "no issues" in deployed(**changes)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"EMAIL_URL": ""}, "auth.W040"),
        ({"EMAIL_URL": "dummymail://"}, "auth.W040"),
        ({"EMAIL_URL": "", "AUTH_EMAIL_VERIFICATION": "required"}, "auth.E040"),
        ({"HTTPS_ONLY": "false"}, "auth.W042"),
        ({"TRUSTED_PROXIES": ""}, "auth.W043"),
        ({"BACKEND_CORS_ORIGINS": "https://a.example.org,http://b.example.org"}, "auth.W045"),
        ({"ALLOWED_HOSTS": "localhost,auth.example.com"}, "auth.W046"),
        ({"AUTH_ISSUER": "http://auth.example.org"}, "auth.W047"),
        ({"REDIS_URL": "rediss://cache.example.org/0"}, "auth.W050"),
        ({"CELERY_BROKER_URL": "amqps://rabbit.example.org//"}, "auth.W050"),
        ({"REDIS_URL": "redis://:p@cache.example.org/0"}, "auth.W051"),
        ({"CELERY_BROKER_URL": "amqp://u:p@192.0.2.7//"}, "auth.W051"),
        ({"DATABASE_URL": "postgres://u:p@db.example.org/d"}, "auth.W052"),
        ({"DATABASE_URL": "postgres://u:p@db.example.org/d?sslmode=disable"}, "auth.W052"),
        ({"CELERY_BROKER_URL": "filesystem://localhost//"}, "auth.W053"),
        ({"REDIS_URL": "", "WEB_PROCESSES": "1"}, "auth.W054"),
        ({"AUTH_METRICS_TOKEN": "prometheus"}, "auth.W055"),
        ({"AUTH_METRICS_TOKEN": "change-me-" * 4}, "auth.W055"),
        ({"FIRST_SUPERUSER_PASSWORD": "an-admin-of-the-tests"}, "auth.W056"),
        ({"ACCESS_TOKEN_EXPIRE_MINUTES": "61"}, "auth.W057"),
        ({"AUTH_JWKS_MAX_AGE": "3601"}, "auth.W059"),
        ({"AUTH_ARGON2_MEMORY_KIB": "19455"}, "auth.W060"),
        ({"AUTH_ARGON2_TIME_COST": "1"}, "auth.W060"),
        ({"AUTH_PASSWORD_MIN_SCORE": "1"}, "auth.W061"),
        ({"AUTH_REFRESH_GRACE": "61"}, "auth.W062"),
        ({"LOG_LEVEL": "DEBUG"}, "auth.W064"),
        ({"EMAIL_URL": "smtp://u:p@mail.example.org:25"}, "auth.W066"),
    ],
)
def test_an_unsafe_mix_is_named(changes: dict[str, str], code: str) -> None:
    said = deployed(**changes)
    assert code in said
    assert "HINT" in said
    assert "no issues" not in said


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


def test_operations_names_every_check() -> None:
    told = set(re.findall(r"`([EW]\d+)`", (ROOT / "docs" / "operations.md").read_text()))
    written = {
        name
        for app in ("accounts", "security")
        for file in (ROOT / app).rglob("*.py")
        for name in re.findall(r'"(?:auth\.)?([EW]\d{3})"', file.read_text())
    }
    assert len(written) > 40
    assert written == told
