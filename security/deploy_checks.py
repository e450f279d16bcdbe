"""For `check --deploy`: what a production configuration should not have.

Each is a warning: it may be right where a network is private or a proxy does the rest. Then
AUTH_SILENCED_CHECKS names it.
"""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.http.request import validate_host

from security.checks import LEAST_SECRET_LENGTH, SAMPLE_SECRET

ENCRYPTED = ("rediss", "amqps", "unix", "filesystem", "memory")
DELIVERING_BACKENDS = ("smtp.EmailBackend",)


def _warn(wrong: bool, code: str, sentence: str, hint: str) -> list[CheckMessage]:
    return [checks.Warning(sentence, hint=hint, id=f"auth.{code}")] if wrong else []


def _served_by_https() -> bool:
    return bool(settings.PUBLIC_URL.startswith("https://"))


def _elsewhere(host: str | None) -> bool:
    """Whether `host` is another machine; no host is a socket on this one."""
    try:
        return not ip_address(host or "::1").is_loopback
    except ValueError:
        return not (host or "").startswith("/") and host != "localhost"


def database_is_a_server(**_: Any) -> list[CheckMessage]:
    return _warn(
        settings.EMBEDDED,
        "W010",
        "The database is SQLite, which serves one host only.",
        "Set DATABASE_URL to a PostgreSQL database.",
    )


def service_is_reached_by_https(**_: Any) -> list[CheckMessage]:
    return _warn(
        not _served_by_https(),
        "W011",
        "PUBLIC_URL does not begin with https://.",
        "Put the service behind https and set PUBLIC_URL to that address.",
    )


def mail_is_delivered(**_: Any) -> list[CheckMessage]:
    if settings.EMAIL_BACKEND.endswith(DELIVERING_BACKENDS):
        return []
    hint = "Set EMAIL_URL, such as smtp+tls://user:password@host:587."
    if settings.AUTH_EMAIL_VERIFICATION == "required":
        sentence = "Addresses must be verified, but there is no mail server to send the links."
        return [Error(sentence, hint=hint, id="auth.E040")]
    sentence = "There is no mail server: links to new passwords are printed or lost."
    return _warn(True, "W040", sentence, hint)


def http_is_refused(**_: Any) -> list[CheckMessage]:
    return _warn(
        _served_by_https() and not settings.HTTPS_ONLY,
        "W042",
        "HTTPS_ONLY is off: passwords and tokens sent over plain http are taken.",
        "Set HTTPS_ONLY=true.",
    )


def proxy_is_named(**_: Any) -> list[CheckMessage]:
    return _warn(
        _served_by_https() and not settings.TRUSTED_PROXIES,
        "W043",
        "TRUSTED_PROXIES names no proxy, so every client has its address and none is on https.",
        "Name the address of the proxy that ends https.",
    )


def origins_are_https(**_: Any) -> list[CheckMessage]:
    plain = [origin for origin in settings.CORS_ALLOWED_ORIGINS if origin.startswith("http:")]
    return _warn(
        _served_by_https() and bool(plain),
        "W045",
        f"BACKEND_CORS_ORIGINS lets pages call that came over plain http: {', '.join(plain)}.",
        "Name https:// origins only.",
    )


def public_host_is_answered(**_: Any) -> list[CheckMessage]:
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    return _warn(
        not validate_host(host, settings.ALLOWED_HOSTS),
        "W046",
        f"ALLOWED_HOSTS lacks {host}, the host of PUBLIC_URL, which gets 400 for every request.",
        f"Add {host} to ALLOWED_HOSTS.",
    )


def issuer_is_https(**_: Any) -> list[CheckMessage]:
    return _warn(
        settings.AUTH_ISSUER.startswith("http://"),
        "W047",
        "AUTH_ISSUER begins with http://: who finds the keys by it can be given others.",
        "Unset AUTH_ISSUER (it is PUBLIC_URL then), or begin it with https://.",
    )


def _servers() -> Iterator[tuple[str, str]]:
    """Cache and broker that are other machines, each URL once."""
    urls = {"REDIS_URL": settings.REDIS_URL, "CELERY_BROKER_URL": settings.CELERY_BROKER_URL}
    if urls["REDIS_URL"] == urls["CELERY_BROKER_URL"]:
        del urls["CELERY_BROKER_URL"]
    return ((name, url) for name, url in urls.items() if _elsewhere(urlsplit(url).hostname))


def servers_ask_for_a_password(**_: Any) -> list[CheckMessage]:
    """Who writes to the cache decides whom we believe; who writes to the broker, what we do."""
    hint = "Give the server a password, and the URL too: redis://:password@host:6379/0."
    return [
        checks.Warning(f"{name} has no password.", hint=hint, id="auth.W050")
        for name, url in _servers()
        if not urlsplit(url).password
    ]


def servers_are_encrypted(**_: Any) -> list[CheckMessage]:
    hint = "Use rediss:// or amqps://; on a network of yours alone silence this check."
    return [
        checks.Warning(f"{name} leads to another host in plain text.", hint=hint, id="auth.W051")
        for name, url in _servers()
        if urlsplit(url).scheme not in ENCRYPTED
    ]


def database_is_encrypted(**_: Any) -> list[CheckMessage]:
    database = settings.DATABASES["default"]
    options = database.get("OPTIONS", {})
    host = database.get("HOST") or options.get("host")
    encrypted = options.get("sslmode") in ("require", "verify-ca", "verify-full")
    return _warn(
        not settings.EMBEDDED and _elsewhere(host) and not encrypted,
        "W052",
        "DATABASE_URL leads to another host and does not insist on encryption.",
        "Add ?sslmode=verify-full; on a network of yours alone silence this check.",
    )


def hosts_share_what_they_must(**_: Any) -> list[CheckMessage]:
    hint = "Set REDIS_URL."
    cache = "There is no REDIS_URL: a second host would believe what the first took back."
    broker = "Tasks go through files, which workers on another host don't see."
    files = settings.CELERY_BROKER_URL.startswith("filesystem:")
    return [
        *_warn(not settings.EMBEDDED and not settings.SHARED_CACHE, "W054", cache, hint),
        *_warn(not settings.EMBEDDED and files, "W053", broker, hint),
    ]


def metrics_token_is_secret(**_: Any) -> list[CheckMessage]:
    token = settings.AUTH_METRICS_TOKEN
    weak = len(token) < LEAST_SECRET_LENGTH or bool(SAMPLE_SECRET.search(token))
    return _warn(
        bool(token) and weak,
        "W055",
        "AUTH_METRICS_TOKEN is short or looks like a sample.",
        "Use 32 random characters or more, or unset it: an admin's token reads the metrics.",
    )


def first_password_is_gone(**_: Any) -> list[CheckMessage]:
    return _warn(
        bool(settings.FIRST_SUPERUSER_PASSWORD),
        "W056",
        "FIRST_SUPERUSER_PASSWORD still stands in the environment.",
        "Unset it after the first start; it does nothing any more.",
    )


def revoked_keys_end_soon(**_: Any) -> list[CheckMessage]:
    return _warn(
        settings.AUTH_JWKS_MAX_AGE.total_seconds() > 60 * 60,
        "W059",
        "AUTH_JWKS_MAX_AGE lets other services trust a stolen key for more than an hour.",
        "Set it to an hour or less.",
    )


def links_are_mailed_encrypted(**_: Any) -> list[CheckMessage]:
    plain = not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL)
    by_smtp = settings.EMAIL_BACKEND.endswith(DELIVERING_BACKENDS)
    return _warn(
        by_smtp and plain and _elsewhere(settings.EMAIL_HOST),
        "W066",
        "EMAIL_URL sends links to new passwords to another host in plain text.",
        "Use smtp+tls:// or smtp+ssl://.",
    )


def log_is_not_for_debugging(**_: Any) -> list[CheckMessage]:
    return _warn(
        settings.LOG_LEVEL == "DEBUG",
        "W064",
        "LOG_LEVEL is DEBUG, at which libraries write down what they send and receive.",
        "Set LOG_LEVEL=INFO.",
    )


DEPLOY_CHECKS = (
    database_is_a_server,
    service_is_reached_by_https,
    mail_is_delivered,
    http_is_refused,
    proxy_is_named,
    origins_are_https,
    public_host_is_answered,
    issuer_is_https,
    servers_ask_for_a_password,
    servers_are_encrypted,
    database_is_encrypted,
    hosts_share_what_they_must,
    metrics_token_is_secret,
    first_password_is_gone,
    revoked_keys_end_soon,
    links_are_mailed_encrypted,
    log_is_not_for_debugging,
)
