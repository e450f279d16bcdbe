"""Chooses the services of a test run before Django reads its settings (loaded by `-p tests.leg`).

TEST_LEG is `shared` (private PostgreSQL and Valkey), `embedded` (SQLite, in-process cache) or
`machine` (the servers that TEST_DATABASE_URL and TEST_REDIS_URL name).
"""

import atexit
import os
import shutil
import tempfile

from tests.servers import PrivateServers
from tests.service import CHEAP_HASH

LEG = os.environ.get("TEST_LEG", "shared")
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def choose_services() -> None:
    data = tempfile.mkdtemp(prefix="authsite-data-")
    atexit.register(shutil.rmtree, data, ignore_errors=True)
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "KEY_ENCRYPTION_KEYS", "EMAIL_URL"):
        os.environ.pop(name, None)
    os.environ |= {
        "AUTH_DATA_DIR": data,
        "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
        "LOG_LEVEL": "INFO",
        # On where they are the subject.
        "AUTH_LIMITS": "off",
        "AUTH_LIMITS_OFF_I_KNOW": "1",
        # The real parameters have their own test.
        **CHEAP_HASH,
    }
    os.makedirs(os.path.join(data, "static"))
    if LEG == "embedded":
        return
    if "TEST_DATABASE_URL" not in os.environ:
        servers = PrivateServers()
        os.environ["TEST_DATABASE_URL"] = servers.postgresql()
        os.environ["TEST_REDIS_URL"] = servers.valkey()
    redis_server = os.environ["TEST_REDIS_URL"].rpartition("/")[0]
    os.environ |= {
        # Of 16 Redis databases each worker has one of its own, and two for the services it starts;
        # the first is left alone, since it is where others keep theirs.
        "TEST_REDIS_URL": f"{redis_server}/{15 - 2 * WORKER}",
        "REDIS_URL": f"{redis_server}/{WORKER + 1}",
        "DATABASE_URL": os.environ["TEST_DATABASE_URL"],
        "SECRET_KEY": os.urandom(32).hex(),
        "KEY_ENCRYPTION_KEYS": "zJ8mAtVvDlbr2vyPZ4OcwfFUsm9wGRvXhL8u0Jf5y0Q=",
    }


choose_services()
