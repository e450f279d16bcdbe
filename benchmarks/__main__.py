"""Starts everybody on the same servers, measures in turns, prints, and writes the README's table.

Usage: python -m benchmarks [--rounds N] [--seconds S] [--operations me,refresh] [--servers]
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from benchmarks import report
from benchmarks.processes import cpu_seconds, memory
from benchmarks.results import Ceiling, Results, Sample
from benchmarks.systems import (
    ARGON2,
    PROCESSES,
    Running,
    Servers,
    fastapi_users,
    ours,
    ours_on,
    plain_fastapi,
    stock_simplejwt,
)
from tests.servers import PrivateServers

OPERATIONS = ("me", "refresh", "login")
WARM_UP_SECONDS = 1.0
System = Callable[[Servers], AbstractContextManager[Running]]
PEERS: dict[str, System] = {
    "ours": ours,
    "stock": stock_simplejwt,
    "fastapi": plain_fastapi,
    "fastapi-users": fastapi_users,
}
APP_SERVERS: dict[str, System] = {
    server: partial(ours_on, server) for server in ("gunicorn", "granian")
}


def main() -> None:
    options = read_options()
    private = PrivateServers()
    servers = Servers(private.postgresql(), private.valkey(), *new_key())
    shared = [private.postgresql_process.pid, private.valkey_process.pid]
    with ExitStack() as stack:
        systems = []
        for name in options.systems.split(","):
            system = (APP_SERVERS if options.servers else PEERS)[name]
            systems.append(stack.enter_context(system(servers)))
            print(f"Started {systems[-1].name}.", flush=True)
            systems[-1].sign_everybody_in()
        results = measure(systems, shared, options)
    print(report.table(results))
    if not options.servers:
        print(report.targets(results))
        if options.write:
            report.write(results)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--operations", default=",".join(OPERATIONS), help="a comma list")
    parser.add_argument("--systems", help="a comma list")
    parser.add_argument("--servers", action="store_true", help="compare app servers instead")
    parser.add_argument("--write", action="store_true", help="write the README's table")
    options = parser.parse_args()
    options.systems = options.systems or ",".join(APP_SERVERS if options.servers else PEERS)
    return options


def new_key() -> tuple[str, str]:
    """A private and a public PEM of the size that the service makes for itself."""
    key = rsa.generate_private_key(65537, 3072)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def measure(systems: list[Running], shared: list[int], options: argparse.Namespace) -> Results:
    """Rounds in which everybody is measured in each operation, each round in another order."""
    results = Results()
    operations = options.operations.split(",")
    for operation in operations:
        for system in systems:
            if system.offers(operation):
                one(system, operation, shared, WARM_UP_SECONDS, options.connections)
    for number in range(options.rounds):
        order = systems[number % len(systems) :] + systems[: number % len(systems)]
        for operation in operations:
            for system in order:
                if system.offers(operation):
                    sample = one(system, operation, shared, options.seconds, options.connections)
                    results.add(system.name, operation, sample)
        if "login" in operations:
            results.ceilings.append(hashing(options.seconds))
        print(f"Round {number + 1} of {options.rounds} done.", flush=True)
    for system in systems:
        results.memory[system.name] = memory(system.pid)
    results.load_average = os.getloadavg()
    return results


def one(
    system: Running, operation: str, shared: list[int], seconds: float, connections: int
) -> Sample:
    plan = system.plan(operation, connections=connections, seconds=seconds)
    before = cpu_seconds(system.pid), sum(map(cpu_seconds, shared))
    result = in_another_process("benchmarks.load", plan)
    after = cpu_seconds(system.pid), sum(map(cpu_seconds, shared))
    if result["failures"]:
        raise RuntimeError(f"{system.name}, {operation}: {result['failures'][0]}")
    if plan["chain"]:
        system.take_over(result["tokens"])
    return Sample(
        seconds=result["seconds"],
        latencies=result["latencies"],
        cpu=after[0] - before[0],
        shared_cpu=after[1] - before[1],
        generator=result["own_cpu"],
    )


def hashing(seconds: float) -> Ceiling:
    plan = {"parameters": ARGON2, "seconds": seconds, "processes": PROCESSES}
    return Ceiling(**in_another_process("benchmarks.hashing", plan))


def in_another_process(module: str, plan: Any) -> Any:
    run = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise RuntimeError(run.stderr)
    return json.loads(run.stdout)


if __name__ == "__main__":
    main()
