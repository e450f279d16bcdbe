"""How many passwords the machine can check when it does nothing else: the ceiling of sign-ins."""

import json
import multiprocessing
import sys
import time

from argon2 import PasswordHasher, Type


def check_passwords(parameters: list[int], seconds: float) -> tuple[int, float]:
    """How many checks one process makes, and the CPU seconds of one."""
    hasher = PasswordHasher(*parameters, type=Type.ID)
    stored = hasher.hash("a password")
    ends, cpu, checks = time.perf_counter() + seconds, time.process_time(), 0
    while time.perf_counter() < ends:
        hasher.verify(stored, "a password")
        checks += 1
    return checks, (time.process_time() - cpu) / checks


def main() -> None:
    """`python -m benchmarks.hashing`: [time cost, KiB, parallelism], seconds and processes in."""
    plan = json.load(sys.stdin)
    with multiprocessing.Pool(plan["processes"]) as pool:
        arguments = [(plan["parameters"], plan["seconds"])] * plan["processes"]
        results = pool.starmap(check_passwords, arguments, chunksize=1)
    checks = sum(checks for checks, _ in results)
    cpu = sum(cpu for _, cpu in results) / len(results)
    json.dump({"per_second": checks / plan["seconds"], "cpu_ms": 1000 * cpu}, sys.stdout)


if __name__ == "__main__":
    main()
