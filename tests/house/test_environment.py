"""Settings from the environment: aliases, files, foreign URLs, and mistakes, all reported."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from authsite.environment import Environment, from_process, generated_secret
from security.rates import DEFAULT_RATES

ROOT = Path(__file__).resolve().parent.parent.parent


def environment(**variables: str) -> Environment:
    return Environment(variables)


def test_an_empty_value_is_unset() -> None:
    assert environment(PORT="  ").number("PORT", 8000) == 8000


def test_a_later_name_is_an_alias() -> None:
    assert environment(JWT_KEY="k").text("SECRET_KEY", "JWT_SECRET_KEY", "JWT_KEY") == "k"


def test_a_value_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from the file\n")
    assert environment(SECRET_KEY_FILE=str(file)).text("SECRET_KEY") == "from the file"


def test_a_missing_file_is_a_problem_not_a_crash() -> None:
    env = environment(SECRET_KEY_FILE="/nowhere/at/all")
    assert env.text("SECRET_KEY", default="") == ""
    assert env.problems[0].sentence == "SECRET_KEY_FILE can't be read: No such file or directory."


def test_every_mistake_is_collected() -> None:
    env = environment(PORT="eighty", HTTPS_ONLY="maybe", ALGORITHM="HS256", ALLOWED_HOSTS="[1]")
    assert env.number("PORT", 8000, least=1) == 8000
    assert env.boolean("HTTPS_ONLY", False) is False
    assert env.choice("ALGORITHM", ("RS256", "ES256"), "RS256") == "RS256"
    assert env.words("ALLOWED_HOSTS", []) == []
    assert [p.setting for p in env.problems] == ["PORT", "HTTPS_ONLY", "ALGORITHM", "ALLOWED_HOSTS"]


def test_a_list_is_json_or_commas() -> None:
    assert environment(A='["x", "y"]').words("A", []) == ["x", "y"]
    assert environment(A="x, y,").words("A", []) == ["x", "y"]


@pytest.mark.parametrize(
    ("url", "engine"),
    [
        ("postgresql+asyncpg://u:p@h:5433/d", "django.db.backends.postgresql"),
        ("postgres://u:p@h:5433/d", "django.db.backends.postgresql"),
        ("sqlite+aiosqlite:///./app.db", "django.db.backends.sqlite3"),
    ],
)
def test_urls_written_for_other_drivers_are_understood(url: str, engine: str) -> None:
    config = environment(DATABASE_URL=url).database(Path("/srv"), Path("/srv/data/db.sqlite3"))
    assert config["ENGINE"] == engine
    assert config["NAME"] in {"d", "/srv/app.db"}


def test_mysql_is_refused_with_a_sentence() -> None:
    env = environment(DATABASE_URL="mysql+asyncmy://u:p@h/d")
    env.database(Path("/srv"), Path("/srv/data/db.sqlite3"))
    assert "mysql databases are not supported" in env.problems[0].sentence


def test_a_database_can_be_named_by_parts() -> None:
    env = environment(DB_HOST="db", DB_NAME="auth", DB_USER="me", DB_PASSWORD="secret")
    config = env.database(Path("/srv"), Path("/srv/data/db.sqlite3"))
    assert (config["HOST"], config["PORT"], config["NAME"]) == ("db", "5432", "auth")


def test_redis_can_be_named_by_parts() -> None:
    env = environment(REDIS_HOST="cache", REDIS_PASSWORD="p@ss/word")
    assert env.redis_url() == "redis://:p%40ss%2Fword@cache:6379/0"


@pytest.mark.parametrize("port", ["0", "65536", "postgres", "-1"])
def test_a_port_that_is_none_is_named(port: str) -> None:
    env = environment(DB_HOST="db", DB_PORT=port, REDIS_HOST="cache", REDIS_PORT=port)
    env.database(Path("/srv"), Path("/srv/data/db.sqlite3"))
    env.redis_url()
    assert [problem.setting for problem in env.problems] == ["DB_PORT", "REDIS_PORT"]


@pytest.mark.parametrize("url", ["foo", "foo://host", "localhost:5672", "://"])
def test_a_broker_of_no_known_kind_is_named(url: str) -> None:
    env = environment(CELERY_BROKER_URL=url)
    assert env.broker_url("redis://cache/0") == "redis://cache/0"
    assert [problem.setting for problem in env.problems] == ["CELERY_BROKER_URL"]


@pytest.mark.parametrize(
    "url",
    [
        "redis://h/0",
        "rediss://h/0",
        "amqps://h//",
        "filesystem://localhost//",
        "redis+socket:///r.sock",
    ],
)
def test_a_broker_is_taken_as_it_stands(url: str) -> None:
    assert environment(CELERY_BROKER_URL=url).broker_url("") == url


@pytest.mark.parametrize("unit", ["seconds", "minutes", "hours", "days"])
def test_no_time_is_too_long_to_count_back(unit: str) -> None:
    century = timedelta(days=36_500) // timedelta(**{unit: 1})
    longest = min(century, 10**6)
    assert environment(A=str(longest)).duration("A", unit, 1) == timedelta(**{unit: longest})
    env = environment(A=str(longest + 1))
    assert env.duration("A", unit, 1) == timedelta(**{unit: 1})
    assert [problem.setting for problem in env.problems] == ["A"]


def test_mail_can_go_to_a_file() -> None:
    env = environment(EMAIL_URL="filemail:////var/mail/out")
    assert env.email({})["EMAIL_FILE_PATH"] == "/var/mail/out"


def test_dotenv_completes_the_process_but_never_overrides_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("PORT=9000\nLOG_LEVEL=DEBUG\n")
    monkeypatch.setenv("PORT", "9001")
    monkeypatch.setenv("LOG_LEVEL", "")
    env = from_process(tmp_path / ".env")
    assert env.number("PORT", 8000) == 9001
    assert env.text("LOG_LEVEL") == "DEBUG"


def test_a_secret_is_generated_once_with_mode_0600(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secret"
    first = generated_secret(path, lambda: "one")
    assert generated_secret(path, lambda: "two") == first == "one"
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_example_file_lists_exactly_the_settings_that_are_read() -> None:
    source = (ROOT / "authsite/settings.py").read_text()
    source += (ROOT / "authsite/environment.py").read_text()
    name = r"\"([A-Z_0-9]{4,})\""
    read = set(re.findall(rf"(?:env|self)\.\w+\(\s*{name}", source))
    for aliases in re.findall(r"env\.text\(([^)=]*)", source):
        read |= set(re.findall(name, aliases))
    read |= {f"AUTH_LIMIT_{name.upper()}" for name in DEFAULT_RATES}
    listed = set(re.findall(r"^([A-Z_0-9]+)=", (ROOT / ".env.example").read_text(), re.M))
    assert read == listed


def test_the_example_file_works_as_it_stands(tmp_path: Path) -> None:
    env = from_process(ROOT / ".env.example")
    assert env.number("PORT", 1) == 8000
    assert env.problems == []
