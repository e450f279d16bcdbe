"""Many callers released in one moment, over connections that are open by then."""

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from threading import Barrier
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.service import ROOT, Service

WAITING_SECONDS = 60


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    json: Any = None
    access_token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] | None = None


@dataclass(frozen=True)
class Answer:
    call: Call
    status: int
    # Empty for what is no JSON.
    body: dict[str, Any]


def release_together(url: str, calls: Sequence[Call]) -> list[Answer]:
    """Every call by a thread and a connection of its own, all sent at once."""
    together = Barrier(len(calls), timeout=WAITING_SECONDS)
    address = urlsplit(url)

    def run(call: Call) -> Answer:
        body = None if call.json is None else json.dumps(call.json)
        headers = call.headers | ({"Content-Type": "application/json"} if body else {})
        if call.form is not None:
            body = urlencode(call.form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if call.access_token:
            headers["Authorization"] = f"Bearer {call.access_token}"
        with closing(HTTPConnection(address.netloc, timeout=WAITING_SECONDS)) as connection:
            # A first request, whatever its answer: one of the processes has the connection now.
            connection.request("GET", "/health/live")
            connection.getresponse().read()
            together.wait()
            connection.request(call.method, call.path, body, headers)
            response = connection.getresponse()
            text = response.read()
            is_json = "json" in response.headers.get("Content-Type", "")
        return Answer(call, response.status, json.loads(text) if text and is_json else {})

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def run_at_once(service: Service, code: str, *, times: int = 2) -> list[str]:
    """Run Python in processes of its own on the service's settings; what each printed.

    Each has started Django and waits before `code` runs. There, `meet()` waits for all others.
    """
    start = f"""
import sys, django
django.setup()
def meet():
    print("waiting", file=sys.stderr, flush=True)
    sys.stdin.readline()
meet()
{code}
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", start],
            cwd=ROOT,
            env=service.environment | {"DJANGO_SETTINGS_MODULE": "authsite.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(times)
    ]
    try:
        return _conduct(processes, meetings=1 + code.count("meet()"))
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _conduct(processes: list[subprocess.Popen[str]], *, meetings: int) -> list[str]:
    logs = ["" for _ in processes]
    for _ in range(meetings):
        for index, process in enumerate(processes):
            while (line := process.stderr.readline()) != "waiting\n":
                assert line, f"It ended before it met the others:\n{logs[index]}"
                logs[index] += line
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
    printed = []
    for index, process in enumerate(processes):
        output, log = process.communicate(timeout=WAITING_SECONDS)
        assert process.returncode == 0, logs[index] + log
        printed.append(output)
    return printed
