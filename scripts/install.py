"""Makes .venv and installs a hashed lock into it; needs nothing but Python itself.

Usage: python3 scripts/install.py requirements.txt
       python3 scripts/install.py benchmarks/requirements.txt .venv-bench

A folder of its own takes a list without hashes; what the service runs on is always hashed.
"""

import hashlib
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def stop(sentence):
    sys.exit("error: " + sentence)


def main(lock, folder=".venv"):
    venv_path = os.path.join(ROOT, folder)
    python = os.path.join(venv_path, "bin", "python")
    stamp = os.path.join(venv_path, ".installed")
    if sys.version_info < (3, 11):
        found = ".".join(map(str, sys.version_info[:3]))
        stop("Python 3.11 or newer is needed, this is %s; name one with PYTHON=…" % found)
    with open(os.path.join(ROOT, lock), "rb") as file:
        digest = lock + " " + hashlib.sha256(file.read()).hexdigest() + " " + sys.version.split()[0]
    if installed(python, stamp) == digest:
        return
    try:
        import ensurepip
        import venv
    except ImportError:
        stop("Python's venv module is missing; on Debian: apt-get install python3-venv")
    print("Installing %s into %s …" % (lock, folder), flush=True)
    try:
        if not os.path.exists(python):
            venv.create(venv_path, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        stop("can't make %s: %s" % (venv_path, getattr(error, "strerror", None) or error))
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    hashes = ["--require-hashes"] if folder == ".venv" else []
    if subprocess.call([*pip, *hashes, "-r", lock], cwd=ROOT):
        stop("installing %s failed; the lines above say why" % lock)
    with open(stamp, "w") as file:
        file.write(digest)


def installed(python, stamp):
    try:
        with open(stamp) as file:
            return file.read() if os.path.exists(python) else ""
    except OSError:
        return ""


main(*sys.argv[1:])
