"""Every setting, read once from the environment; docs/operations.md explains each."""

import os
import sys
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.core.management.utils import get_random_secret_key

from accounts.passwords import LONGEST_PASSWORD
from authsite.environment import from_process, generated_secret
from security.logs import logging_config
from security.rates import DEFAULT_RATES, parse_rates

# A checkout is its own project; installed as a library, the project is the folder it is run in.
BASE_DIR = Path(__file__).resolve().parent.parent
if not (BASE_DIR / "manage.py").exists():
    BASE_DIR = Path.cwd()
env = from_process(BASE_DIR / ".env")

try:
    VERSION = version("authsite")
except PackageNotFoundError:  # run from a checkout, not installed
    VERSION = "0.1.0"

# --- Where things are kept

AUTH_DATA_DIR = Path(env.text("AUTH_DATA_DIR", default=str(BASE_DIR / "data")))
DATABASES = {"default": env.database(BASE_DIR, embedded=AUTH_DATA_DIR / "db.sqlite3")}
DATABASE = DATABASES["default"]
EMBEDDED = DATABASE["ENGINE"] == "django.db.backends.sqlite3"
if EMBEDDED:
    # IMMEDIATE takes the write lock at BEGIN, so two writers wait instead of failing half way.
    DATABASE["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 5,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASE["CONN_MAX_AGE"] = 60
    DATABASE["CONN_HEALTH_CHECKS"] = True
    DATABASE.setdefault("OPTIONS", {})
    DATABASE["OPTIONS"].setdefault("connect_timeout", 3)
    DATABASE["OPTIONS"].setdefault("options", "-c statement_timeout=10000 -c lock_timeout=2000")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.redis_url()
SHARED_CACHE = bool(REDIS_URL)
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "auth",
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            # A request may ask twice before one answer is late enough to stop the asking.
            "SOCKET_CONNECT_TIMEOUT": 0.15,
            "SOCKET_TIMEOUT": 0.15,
            "CONNECTION_POOL_CLASS": "security.redis_connections.WatchedPool",
            # A new connection selects its database and asks, where it would else greet in 4 trips.
            "CONNECTION_POOL_KWARGS": {"protocol": 2, "driver_info": None},
        },
    }
    if SHARED_CACHE
    else {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

# --- Secrets

SECRET_KEY = env.text("SECRET_KEY", "JWT_SECRET_KEY", "JWT_KEY")
KEY_ENCRYPTION_KEYS = env.words("KEY_ENCRYPTION_KEYS", default=[])
if EMBEDDED:
    sealing_key_file = AUTH_DATA_DIR / "key_encryption_keys"
    try:
        SECRET_KEY = SECRET_KEY or generated_secret(
            AUTH_DATA_DIR / "secret_key", get_random_secret_key
        )
        # A database without its sealing key is a loss to report, never a reason for a new key.
        if not KEY_ENCRYPTION_KEYS and (
            sealing_key_file.exists() or not Path(str(DATABASE["NAME"])).exists()
        ):
            KEY_ENCRYPTION_KEYS = [
                generated_secret(sealing_key_file, lambda: Fernet.generate_key().decode())
            ]
    except OSError as error:
        env.problem("AUTH_DATA_DIR", f"{AUTH_DATA_DIR} can't be written: {error.strerror}.")
        SECRET_KEY = SECRET_KEY or get_random_secret_key()  # One problem is enough to report.

if not SECRET_KEY:
    env.problem("SECRET_KEY", "SECRET_KEY is not set; `manage.py generate_secrets` makes one.")
    SECRET_KEY = get_random_secret_key()  # Django reads it before any check can speak.

# --- Addresses

PORT = env.port("PORT", 8000)
BIND_ADDRESS = env.text("BIND_ADDRESS", default="127.0.0.1")
PUBLIC_URL = env.text("PUBLIC_URL", default=f"http://localhost:{PORT}").rstrip("/")
SECURE_COOKIES = env.boolean("SECURE_COOKIES", PUBLIC_URL.startswith("https:"))
HTTPS_ONLY = env.boolean("HTTPS_ONLY", False)
TRUSTED_PROXIES = env.words("TRUSTED_PROXIES", default=[])
AUTH_CONSOLE_NETWORKS = env.words("AUTH_CONSOLE_NETWORKS", default=[])
ALLOWED_HOSTS = env.words(
    "ALLOWED_HOSTS",
    default=sorted({"localhost", "127.0.0.1", "[::1]", urlsplit(PUBLIC_URL).hostname or ""}),
)
CORS_ALLOWED_ORIGINS = env.words(
    "BACKEND_CORS_ORIGINS",
    default=["http://localhost:3000", "http://localhost:8000"] if EMBEDDED else [],
)
# Not the pages for people: to an origin on the same site a browser would send an operator's cookie.
CORS_URLS_REGEX = r"^/(api/|\.well-known/|health|openapi\.json$)"
CORS_EXPOSE_HEADERS = ["RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

# --- Tokens and sessions

AUTH_SIGNING_ALGORITHM = env.choice("ALGORITHM", ("RS256", "ES256", "EdDSA"), "RS256")
AUTH_ISSUER = env.text("AUTH_ISSUER", default=PUBLIC_URL)
AUTH_AUDIENCE = env.text("AUTH_AUDIENCE", default="api")
AUTH_ACCESS_TTL = env.duration("ACCESS_TOKEN_EXPIRE_MINUTES", "minutes", 15, least=1, most=24 * 60)
AUTH_REFRESH_IDLE_TTL = env.duration("REFRESH_TOKEN_EXPIRE_DAYS", "days", 14, least=1, most=3650)
AUTH_SESSION_TTL = env.duration("AUTH_SESSION_DAYS", "days", 90, least=1, most=3650)
AUTH_REFRESH_GRACE = env.duration("AUTH_REFRESH_GRACE", "seconds", 10)
AUTH_REFRESH_TRANSPORT = env.choice("AUTH_REFRESH_TRANSPORT", ("both", "body", "cookie"), "both")
CORS_ALLOW_CREDENTIALS = AUTH_REFRESH_TRANSPORT != "body"
# 0 is no limit.
AUTH_SESSION_LIMIT = env.number("AUTH_SESSION_LIMIT", 0)
AUTH_CONSOLE_TTL = timedelta(hours=8)
AUTH_CONSOLE_IDLE_TTL = env.duration(
    "AUTH_CONSOLE_IDLE_MINUTES", "minutes", 30, least=2, most=8 * 60
)
AUTH_NEW_DEVICE_NOTICE = env.boolean("AUTH_NEW_DEVICE_NOTICE", True)
AUTH_SESSION_RETENTION = env.duration("AUTH_SESSION_RETENTION_DAYS", "days", 30)
AUTH_MAIL_RETENTION = env.duration("AUTH_MAIL_RETENTION_DAYS", "days", 30)
AUTH_KEY_ROTATION = env.duration("AUTH_KEY_ROTATION_DAYS", "days", 30, least=1)
AUTH_JWKS_MAX_AGE = env.duration("AUTH_JWKS_MAX_AGE", "seconds", 300, least=1)
PRIVATE_KEY_PATH = env.text("PRIVATE_KEY_PATH")
PUBLIC_KEY_PATH = env.text("PUBLIC_KEY_PATH")
# Without a shared cache other processes can't drop what this one remembers, so it forgets quickly.
AUTH_LIVE_STATE_TTL = timedelta(seconds=60 if SHARED_CACHE else 1)

# Our classes in accounts.tokens sign and verify; stock SimpleJWT classes get no key at all.
SIMPLE_JWT = {
    "ALGORITHM": "RS256",
    "SIGNING_KEY": "",
    "VERIFYING_KEY": "",
    "USER_ID_CLAIM": "sub",
    "TOKEN_TYPE_CLAIM": "token_type",
    "AUTH_TOKEN_CLASSES": ("accounts.tokens.AccessToken",),
}

# --- Limits

# Off only for load tests.
AUTH_LIMITS = env.choice("AUTH_LIMITS", ("on", "off"), "on") == "on"
AUTH_LIMITS_OFF_I_KNOW = env.boolean("AUTH_LIMITS_OFF_I_KNOW", False)
AUTH_LIMIT_RATES = {
    name: env.read(f"AUTH_LIMIT_{name.upper()}", parse_rates, parse_rates(default))
    for name, default in DEFAULT_RATES.items()
}
# Failures in a row after which signing in has a growing wait: from one network or known device, and
# to one account from everywhere.
AUTH_LOCKOUT_FAILURES = env.number("AUTH_LOCKOUT_FAILURES", 5, least=1, most=100)
AUTH_LOCKOUT_ACCOUNT_FAILURES = env.number("AUTH_LOCKOUT_ACCOUNT_FAILURES", 20, least=1, most=100)
AUTH_LOCKOUT_WAIT = env.duration("AUTH_LOCKOUT_SECONDS", "seconds", 60, least=1)
AUTH_LOCKOUT_LONGEST_WAIT = env.duration(
    "AUTH_LOCKOUT_MAX_SECONDS", "seconds", 60 * 60, least=1, most=24 * 60 * 60
)
# NIST SP 800-63B-4, 3.2.2, allows no more than 100.
AUTH_LOCKOUT_RESET_AFTER = env.number("AUTH_LOCKOUT_RESET_AFTER", 100, least=10, most=100)
AUTH_LOCKOUT_DEVICE_TTL = env.duration("AUTH_LOCKOUT_DEVICE_DAYS", "days", 90, least=1)

# --- Users and passwords

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.authentication.IdentifierBackend"]
# Apps whose permissions a role can grant and tokens name; Django's own tables are not among them.
AUTH_GRANTABLE_APPS = ["accounts", "sessions_app", "security"]
AUTH_REGISTRATION_OPEN = env.boolean("AUTH_REGISTRATION_OPEN", True)
AUTH_TIERS = env.words("AUTH_TIERS", default=["free", "premium", "enterprise"])
AUTH_SELF_SERVICE_TIERS = env.words("AUTH_SELF_SERVICE_TIERS", default=["free"])
AUTH_REAUTHENTICATION_TTL = env.duration("AUTH_REAUTHENTICATION_MINUTES", "minutes", 5)
AUTH_API_KEY_LIMIT = env.number("AUTH_API_KEY_LIMIT", 100, least=1)
AUTH_ADMIN_SET_PASSWORDS = env.choice(
    "AUTH_ADMIN_SET_PASSWORDS", ("allow", "expire", "refuse"), "allow"
)
AUTH_EMAIL_VERIFICATION = env.choice(
    "AUTH_EMAIL_VERIFICATION", ("optional", "required"), "optional"
)
# Whether registering and signing in tell nobody which addresses have an account.
AUTH_CONCEAL_ACCOUNTS = env.boolean("AUTH_CONCEAL_ACCOUNTS", False)
# How long a mailed link can be used, by what it is for.
AUTH_LINK_TTL = {
    "verify_email": env.duration("AUTH_VERIFICATION_HOURS", "hours", 24, least=1),
    "reset_password": env.duration("AUTH_RESET_MINUTES", "minutes", 30, least=1),
    "set_password": env.duration("AUTH_INVITATION_HOURS", "hours", 72, least=1),
    "change_email": env.duration("AUTH_EMAIL_CHANGE_HOURS", "hours", 24, least=1),
    "undo_email_change": env.duration("AUTH_EMAIL_UNDO_HOURS", "hours", 72, least=1),
}
# Empty: nobody is asked.
AUTH_BREACHED_PASSWORDS_URL = env.text("AUTH_BREACHED_PASSWORDS_URL").rstrip("/")
AUTH_PASSWORD_MIN_LENGTH = env.number("AUTH_PASSWORD_MIN_LENGTH", 8, least=8, most=LONGEST_PASSWORD)
AUTH_ARGON2_MEMORY_KIB = env.number("AUTH_ARGON2_MEMORY_KIB", 19 * 1024, least=8)
AUTH_ARGON2_TIME_COST = env.number("AUTH_ARGON2_TIME_COST", 2, least=1)
AUTH_ARGON2_PARALLELISM = env.number("AUTH_ARGON2_PARALLELISM", 1, least=1)
AUTH_HASH_CONCURRENCY = env.number("AUTH_HASH_CONCURRENCY", os.cpu_count() or 2, least=1)
PASSWORD_HASHERS = [
    "accounts.hashers.Argon2idHasher",
    # Hashes of imported users, until their next sign-in.
    "accounts.imported_hashers.ImportedArgon2Hasher",
    "accounts.imported_hashers.ImportedBcryptHasher",
    "accounts.imported_hashers.ImportedBcryptSHA256Hasher",
    "accounts.imported_hashers.ImportedPBKDF2Hasher",
    "accounts.imported_hashers.ImportedScryptHasher",
    "accounts.imported_hashers.ImportedWerkzeugHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.password_validation.LengthValidator"},
    {"NAME": "accounts.password_validation.CommonPasswordValidator"},
    {"NAME": "accounts.password_validation.ContextValidator"},
    {
        "NAME": "accounts.password_validation.StrengthValidator",
        "OPTIONS": {"least_score": env.number("AUTH_PASSWORD_MIN_SCORE", 2, most=4)},
    },
]

# --- The first admin, made by `bootstrap_admin`

FIRST_SUPERUSER_EMAIL = env.text("FIRST_SUPERUSER_EMAIL", "ADMIN_EMAIL")
FIRST_SUPERUSER_USERNAME = env.text("ADMIN_USERNAME")
FIRST_SUPERUSER_PASSWORD = env.text("FIRST_SUPERUSER_PASSWORD", "ADMIN_PASSWORD")
FIRST_SUPERUSER_FULL_NAME = env.text("FIRST_SUPERUSER_FULL_NAME")

# --- The applications

INSTALLED_APPS = [
    "authsite.apps.AuthsiteConfig",
    "authsite.apps.ConsoleConfig",
    # Before Django's, whose commands `changepassword` and `createsuperuser` it replaces.
    "accounts",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "csp",
    "rest_framework",
    # Before SimpleJWT's app, whose command `flushexpiredtokens` it replaces: the first one wins.
    "sessions_app",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "security",
]
MIDDLEWARE = [
    "security.middleware.RequestContextMiddleware",
    # Before others look at a view's request: what it refuses is as if it were not there.
    "security.console_networks.ConsoleNetworksMiddleware",
    # Before those that answer by themselves: redirects to https and files carry their headers, too.
    "security.middleware.PolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    # After those that set headers, which its refusals carry too.
    "security.middleware.RequestLimitsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.authentication.ConsoleUserMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "authsite.urls"
WSGI_APPLICATION = "authsite.wsgi.application"
APPEND_SLASH = False
LOGIN_REDIRECT_URL = "admin:index"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["security.api.permissions.HasSession"],
    "DEFAULT_THROTTLE_CLASSES": [
        "security.api.throttling.QuotaThrottle",
        "security.api.throttling.LimitThrottle",
    ],
    "DEFAULT_PARSER_CLASSES": ["security.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    # OPTIONS is for CORS alone, whose middleware answers it.
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "security.api.negotiation.AlwaysJSON",
    "DEFAULT_SCHEMA_CLASS": "security.api.schema.ProblemAutoSchema",
    "EXCEPTION_HANDLER": "security.api.exception_handler.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Authentication service",
    "DESCRIPTION": "Users, sign-in, device sessions and tokens that can be taken back.",
    "VERSION": VERSION,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "PREPROCESSING_HOOKS": ["authsite.docs.without_second_names"],
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}

# --- HTTP

DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
AUTH_SILENCED_CHECKS = env.warnings("AUTH_SILENCED_CHECKS")
SILENCED_SYSTEM_CHECKS = [
    # Preloading binds the whole domain for years: its owner decides that, not a service on it.
    "security.W021",
    # auth.W042 (https only) and auth.E041 (cookies) say the same of the settings that one can set.
    "security.W008",
    "security.W012",
    "security.W016",
    *AUTH_SILENCED_CHECKS,
]
SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_REDIRECT_EXEMPT = [r"^api/", r"^health"]
# The header is removed from requests of untrusted peers before this setting is consulted.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
# A browser takes a cookie of such a name only over https, from this host, for all of it.
HOST_ONLY = "__Host-" if SECURE_COOKIES else ""
SESSION_COOKIE_NAME = f"{HOST_ONLY}sessionid"
CSRF_COOKIE_NAME = f"{HOST_ONLY}csrftoken"
MESSAGE_STORAGE = "authsite.messages.HostOnlyCookieStorage"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Strict"
# The row of each sign-in decides, and ends earlier; this is how long Django keeps its own.
SESSION_COOKIE_AGE = int(AUTH_CONSOLE_TTL.total_seconds())
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
AUTH_DOCS = env.choice("AUTH_DOCS", ("public", "staff", "off"), "public")

LANGUAGE_CODE = "en"
# Of the pages behind mailed links; everything else is English.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
FORMAT_MODULE_PATH = "authsite.formats"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = AUTH_DATA_DIR / "static"
WHITENOISE_ALLOW_ALL_ORIGINS = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- Mail, tasks, logs, metrics

PROJECT_NAME = env.text("PROJECT_NAME", default="Authentication")
vars().update(env.email(default={"EMAIL_BACKEND": "authsite.printed_mail.EmailBackend"}))
mail_domain = urlsplit(PUBLIC_URL).hostname or "localhost"
if ":" in mail_domain:
    mail_domain = f"[IPv6:{mail_domain}]"
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", default=f"no-reply@{mail_domain}")
EMAIL_TIMEOUT = 10

CELERY_BROKER_URL = env.broker_url(REDIS_URL or "filesystem://localhost//")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(AUTH_DATA_DIR / "celerybeat-schedule")
if CELERY_BROKER_URL.startswith("filesystem:"):
    broker_folder = str(AUTH_DATA_DIR / "broker")
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": broker_folder,
        "data_folder_out": broker_folder,
        "control_folder": str(AUTH_DATA_DIR / "broker-control"),
    }


def _every(seconds: int, task: str) -> dict[str, object]:
    """A beat entry whose message dies unread before the next one is due."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


CELERY_BEAT_SCHEDULE = {
    "heartbeat": _every(15, "security.heartbeat"),
    "rotate-keys": _every(24 * 60 * 60, "security.rotate_keys_when_due"),
    "chain-audit": _every(10, "security.chain_audit"),
    "verify-audit": _every(24 * 60 * 60, "security.verify_audit"),
    "prune-sessions": _every(60 * 60, "sessions_app.prune"),
    "deliver-mail": _every(10, "accounts.deliver_mail"),
    "sample-hashes": _every(60 * 60, "accounts.sample_hashes"),
    "prune-mail": _every(24 * 60 * 60, "accounts.prune_mail"),
}

WEB_PROCESSES = env.number("WEB_PROCESSES", 1, least=1)
WEB_THREADS = env.number("WEB_THREADS", 8, least=1)
AUTH_METRICS_TOKEN = env.text("AUTH_METRICS_TOKEN")
LOG_LEVEL = env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO")
LOGGING = logging_config(LOG_LEVEL, stream=sys.stderr)

# What the readers above could not use; security.checks turns each into an error.
AUTH_SETTINGS_PROBLEMS = env.problems
