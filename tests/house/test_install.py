"""scripts/install.py: a Python that can't do it says so in one line."""

import subprocess
import sys
from pathlib import Path

from tests.service import ROOT


def install(prelude: str) -> subprocess.CompletedProcess[str]:
    """Run the script after `prelude`, which makes this Python a lesser one."""
    script = str(ROOT / "scripts" / "install.py")
    program = (
        f"import runpy, sys; sys.argv = ['install.py', 'requirements.txt']; {prelude}; "
        f"runpy.run_path({script!r}, run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )


def test_a_python_that_is_too_old_is_named() -> None:
    failed = install("sys.version_info = (3, 9, 2)")
    assert failed.returncode == 1
    assert failed.stderr.splitlines() == [
        "error: Python 3.11 or newer is needed, this is 3.9.2; name one with PYTHON=…"
    ]


def test_a_missing_venv_module_is_named_with_its_package() -> None:
    failed = install("sys.version = '3.12.99'; sys.modules['ensurepip'] = None")
    assert failed.returncode == 1
    assert "apt-get install python3-venv" in failed.stderr
    assert len(failed.stderr.splitlines()) == 1


def test_the_locks_hold_hashes_and_no_address() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        lock = Path(ROOT / name).read_text()
        assert "--hash=sha256:" in lock
        assert "://" not in lock
