"""All tests: on private PostgreSQL and Valkey, embedded, and on the machine's own servers."""

import os
import shutil
import socket
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# One worker more than two cores keep busy: the tests of running services wait for them, mostly.
PYTEST = [sys.executable, "-m", "pytest", "-q", "-n", "3", "--dist", "loadfile"]
MACHINE = {
    "TEST_DATABASE_URL": "postgres://postgres@127.0.0.1:5432/postgres",
    "TEST_REDIS_URL": "redis://127.0.0.1:6379/0",
}


def main():
    install_browser()
    legs = [("shared", {}), ("embedded", {})]
    if answers(5432) and answers(6379):
        legs.append(("machine", MACHINE))
    else:
        print("No PostgreSQL on 5432 with Redis on 6379 here: the machine leg is left out.")
    failed = [name for name, services in legs if not passes(name, services)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def passes(leg, services):
    print(f"--- {leg}", flush=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TEST_")}
    environment |= {"TEST_LEG": leg, **services}
    return subprocess.call([*PYTEST, *sys.argv[1:]], cwd=ROOT, env=environment) == 0


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def install_browser():
    """Debian's Chromium for the browser tests; they fail with a hint where it can't be had."""
    if shutil.which("chromium") or not shutil.which("apt-get") or os.geteuid() != 0:
        return
    print("Installing Chromium …", flush=True)
    for command in (["update", "-qq"], ["install", "-qqy", "--no-install-recommends", "chromium"]):
        subprocess.run(["apt-get", *command], stdout=subprocess.DEVNULL, check=False)


main()
