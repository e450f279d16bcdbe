"""Settings from the environment: empty is unset, NAME_FILE is read, mistakes are collected."""

import json
import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import environ
from environ.fileaware_mapping import FileAwareMapping

T = TypeVar("T")

BOOLEANS = {"true": True, "1": True, "yes": True, "on": True} | {
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}
# Counted back from now, more would in the end lie before the calendar begins.
LONGEST_DURATION = timedelta(days=36_500)


@dataclass(frozen=True)
class Problem:
    """A setting that can't be used as it stands; `security.checks` reports it at start."""

    setting: str
    sentence: str


class Environment:
    """Typed readers over the variables of one process.

    A value that can't be read never raises here: it becomes a `Problem`, the default stands in,
    and the system checks stop the start with every problem at once.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._values = FileAwareMapping({k: v for k, v in variables.items() if v.strip()})
        self.problems: list[Problem] = []

    def problem(self, setting: str, sentence: str) -> None:
        self.problems.append(Problem(setting, sentence))

    def read(self, names: str | tuple[str, ...], parse: Callable[[str], T], default: T) -> T:
        """The first of `names` that is set, parsed; the later names are aliases of the first."""
        for name in (names,) if isinstance(names, str) else names:
            try:
                text = self._values.get(name)
                if text is not None and text.strip():
                    return parse(text.strip())
            except OSError as error:
                self.problem(name, f"{name}_FILE can't be read: {error.strerror}.")
            except UnicodeDecodeError:
                self.problem(name, f"{name}_FILE is not a text file in UTF-8.")
            except ValueError as error:
                self.problem(name, f"{name} can't be used: {error}.")
        return default

    def text(self, *names: str, default: str = "") -> str:
        return self.read(names, str, default)

    def number(self, name: str, default: int, *, least: int = 0, most: int = 10**6) -> int:
        def parse(text: str) -> int:
            if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
                raise ValueError(f"it must be a whole number from {least} to {most}")
            return int(text)

        return self.read(name, parse, default)

    def duration(
        self, name: str, unit: str, default: int, *, least: int = 0, most: int = 10**6
    ) -> timedelta:
        """So many seconds, minutes, hours or days, a century at most."""
        one = timedelta(**{unit: 1})
        most = min(most, LONGEST_DURATION // one)
        return one * self.number(name, default, least=least, most=most)

    def port(self, name: str, default: int) -> int:
        return self.number(name, default, least=1, most=65535)

    def boolean(self, name: str, default: bool) -> bool:
        def parse(text: str) -> bool:
            if text.lower() not in BOOLEANS:
                raise ValueError("it must be true or false")
            return BOOLEANS[text.lower()]

        return self.read(name, parse, default)

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        def parse(text: str) -> str:
            by_lower_case = {choice.lower(): choice for choice in choices}
            if text.lower() not in by_lower_case:
                raise ValueError(f"it must be one of {', '.join(choices)}")
            return by_lower_case[text.lower()]

        return self.read(name, parse, default)

    def words(self, name: str, default: list[str]) -> list[str]:
        """A JSON array of strings or a comma-separated list."""

        def parse(text: str) -> list[str]:
            found = json.loads(text) if text.startswith("[") else text.split(",")
            if not all(isinstance(word, str) for word in found):
                raise ValueError("it must be a list of strings")
            return [word.strip() for word in found if word.strip()]

        return self.read(name, parse, default)

    def warnings(self, name: str) -> list[str]:
        """Ids of checks, comma-separated; an error is to be mended, never to be silenced."""

        def parse(text: str) -> list[str]:
            found = [word.strip() for word in text.split(",")]
            if not all(re.fullmatch(r"(auth|security)\.W[0-9]{3}", code) for code in found):
                raise ValueError("it must name warnings, such as auth.W051")
            return found

        return self.read(name, parse, [])

    def database(self, base_dir: Path, embedded: Path) -> dict[str, Any]:
        """The database named by DATABASE_URL, else by DB_HOST and its companions, else SQLite.

        A driver suffix of another language or library (`postgresql+asyncpg://`) is dropped.
        """

        def parse(url: str) -> dict[str, Any]:
            url = re.sub(r"^(\w+)\+\w+:", r"\1:", url)
            scheme = url.partition(":")[0]
            if scheme not in {"postgres", "postgresql", "sqlite"}:
                raise ValueError(
                    f"{scheme} databases are not supported; use postgres:// or sqlite:///"
                )
            config: dict[str, Any] = dict(environ.Env.db_url_config(url))
            if scheme == "sqlite" and config["NAME"] != ":memory:":
                config["NAME"] = str(base_dir / str(config["NAME"]))
            return config

        sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(embedded)}
        if not self.text("DATABASE_URL") and self.text("DB_HOST"):
            return {
                "ENGINE": "django.db.backends.postgresql",
                "HOST": self.text("DB_HOST"),
                "PORT": str(self.port("DB_PORT", 5432)),
                "NAME": self.text("DB_NAME"),
                "USER": self.text("DB_USER"),
                "PASSWORD": self.text("DB_PASSWORD"),
            }
        return self.read("DATABASE_URL", parse, sqlite)

    def redis_url(self) -> str:
        """REDIS_URL, else one made of REDIS_HOST and its companions, else empty."""

        def parse(url: str) -> str:
            if not re.match(r"(redis|rediss|unix)://", url):
                raise ValueError("it must begin with redis://, rediss:// or unix://")
            return url

        host = self.text("REDIS_HOST")
        if host and not self.text("REDIS_URL"):
            password = self.text("REDIS_PASSWORD")
            credentials = f":{quote(password, safe='')}@" if password else ""
            port = self.port("REDIS_PORT", 6379)
            return f"redis://{credentials}{host}:{port}/0"
        return self.read("REDIS_URL", parse, "")

    def broker_url(self, default: str) -> str:
        def parse(url: str) -> str:
            # It takes a tenth of a second, which only those pay who set this.
            from kombu.transport import TRANSPORT_ALIASES  # noqa: PLC0415

            scheme, separator, _ = url.partition("://")
            # What is after a plus is Celery's: redis+socket:// is a socket on this host.
            if scheme.partition("+")[0] not in TRANSPORT_ALIASES or not separator:
                raise ValueError("it must begin with a transport of Celery's, such as redis://")
            return url

        return self.read("CELERY_BROKER_URL", parse, default)

    def email(self, default: dict[str, Any]) -> dict[str, Any]:
        """Django's EMAIL_* settings from EMAIL_URL (`smtp+tls://user:password@host:587`)."""

        def parse(url: str) -> dict[str, Any]:
            if url.partition(":")[0] not in environ.Env.EMAIL_SCHEMES:
                raise ValueError("it must begin with smtp, smtp+tls, smtp+ssl or consolemail")
            return dict(environ.Env.email_url_config(url))

        return self.read("EMAIL_URL", parse, default)


def from_process(dotenv: Path) -> Environment:
    """The variables of this process, completed by the `.env` file where there is one."""

    class DotEnv(environ.Env):  # type: ignore[misc]
        ENVIRON: dict[str, str] = {}

    if dotenv.is_file():
        DotEnv.read_env(dotenv)
    process = {name: value for name, value in os.environ.items() if value.strip()}
    return Environment(DotEnv.ENVIRON | process)


def generated_secret(path: Path, make: Callable[[], str]) -> str:
    """The secret kept in `path`, made at the first call with mode 0600.

    Two processes that start at once end with one secret: the file appears complete or not at all,
    and whoever comes second reads it.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(make())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
