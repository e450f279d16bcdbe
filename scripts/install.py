"""Makes .venv and installs a hashed lock into it; needs nothing but Python itself.

Usage: python3 scripts/install.py requirements.txt
"""

import hashlib
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, ".installed")


def stop(sentence):
    sys.exit("error: " + sentence)


def main(lock):
    if sys.version_info < (3, 11):
        found = ".".join(map(str, sys.version_info[:3]))
        stop("Python 3.11 or newer is needed, this is %s; name one with PYTHON=…" % found)
    with open(os.path.join(ROOT, lock), "rb") as file:
        digest = lock + " " + hashlib.sha256(file.read()).hexdigest() + " " + sys.version.split()[0]
    if installed() == digest:
        return
    try:
        import ensurepip
        import venv
    except ImportError:
        stop("Python's venv module is missing; on Debian: apt-get install python3-venv")
    print("Installing %s into .venv …" % lock, flush=True)
    try:
        if not os.path.exists(PYTHON):
            venv.create(VENV, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        stop("can't make %s: %s" % (VENV, getattr(error, "strerror", None) or error))
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    if subprocess.call([*pip, "--require-hashes", "-r", lock], cwd=ROOT):
        stop("installing %s failed; the lines above say why" % lock)
    with open(STAMP, "w") as file:
        file.write(digest)


def installed():
    try:
        with open(STAMP) as file:
            return file.read() if os.path.exists(PYTHON) else ""
    except OSError:
        return ""


main(sys.argv[1])
