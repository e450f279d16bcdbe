"""JSON log lines, one event each, with secrets removed before anything is written."""

import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

REMOVED = "[removed]"
SECRET_NAME = re.compile(
    r"password|passwd|secret|token|authorization|cookie|private|sealed|api_?key|encryption", re.I
)
# A JWT, a bearer credential or a database password inside a longer text.
SECRET_TEXT = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*|(?i:bearer)\s+\S+|(?<=://)[^\s\"']+(?=@)"
    r"|(?i:password|token|secret)[\"']?\s*[=:]\s*[\"']?[^\s\"'&,}]+"
)
LONGEST_TEXT = 2000

Event = MutableMapping[str, Any]


def _clean(name: str, value: Any) -> Any:
    if SECRET_NAME.search(name):
        return REMOVED
    if isinstance(value, str):
        # Cut last: a secret that loses its end is no longer recognised.
        return SECRET_TEXT.sub(REMOVED, value[: 2 * LONGEST_TEXT])[:LONGEST_TEXT]
    if isinstance(value, dict):
        return {key: _clean(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean("", inner) for inner in value]
    return value


def remove_secrets(_logger: Any, _method: str, event: Event) -> Event:
    """Replace what a secret's name or shape gives away; everything passes here last."""
    return {name: _clean(name, value) for name, value in event.items()}


def exception_without_locals(_logger: Any, _method: str, event: Event) -> Event:
    """Write a traceback as file, line and function; never local variables, which hold secrets."""
    info = event.pop("exc_info", None)
    if info:
        error = info[1] if isinstance(info, tuple) else sys.exc_info()[1]
        if error is not None:
            frames = traceback.extract_tb(error.__traceback__)
            event["exception"] = type(error).__name__
            event["exception_text"] = str(error)
            event["traceback"] = [f"{f.filename}:{f.lineno} {f.name}" for f in frames]
    return event


SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def logging_config(level: str, *, stream: TextIO) -> dict[str, Any]:
    """Django's LOGGING: structlog's events and the standard library's leave by one formatter."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED_PROCESSORS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": SHARED_PROCESSORS,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            exception_without_locals,
            remove_secrets,
            structlog.processors.JSONRenderer(),
        ],
    }
    quiet = {"level": "ERROR"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": formatter},
        "handlers": {
            "stream": {"class": "logging.StreamHandler", "formatter": "json", "stream": stream}
        },
        "root": {"handlers": ["stream"], "level": level},
        # Our own request line says the same with the request's id.
        "loggers": {
            "django.request": quiet,
            "django.security": quiet,
            "django.server": quiet,
            "celery.beat": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "kombu": {"level": "WARNING"},
            # gunicorn gives its logger a handler of its own; this replaces it.
            "gunicorn.error": {"level": level, "handlers": ["stream"], "propagate": False},
        },
    }


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
