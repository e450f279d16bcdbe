"""How fast `import_users` takes over 100,000 users, and in what memory.

Usage: python benchmarks/import_users.py [ROWS]
Into the database of DATABASE_URL, which should be an empty one, or else a new SQLite file.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HASH = "$2b$12$pf49QNzgQsZvU4sGTlmeZ.3N4jg/sNylGrRbc/Y006o6hpWhCRFwy"


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "users.csv"
        write(file, rows)
        environment = {"AUTH_DATA_DIR": folder, "LOG_LEVEL": "ERROR"} | os.environ
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
        for what in (["--dry-run"], [], []):
            started = time.monotonic()
            command = [*manage, "import_users", str(file), *what]
            subprocess.run(command, cwd=ROOT, env=environment, check=True)
            seconds = time.monotonic() - started
            print(f"{rows / seconds:,.0f} rows a second, in {seconds:.1f} s", flush=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"peak memory {peak:.0f} MiB")


def write(file: Path, rows: int) -> None:
    with file.open("w") as out:
        out.write("email,username,full_name,role,is_active,password,created_at\n")
        for number in range(rows):
            name = f"user{number}"
            out.write(f"{name}@example.com,{name},Ada No{number},user,true,{HASH},2024-05-01\n")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
