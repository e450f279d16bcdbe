"""The table on the terminal, and the picture and the table of the README."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.results import Figures, Results
from tests.service import ROOT

README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "benchmark.svg"
BLOCK = re.compile(r"(<!-- benchmark -->\n).*?(<!-- /benchmark -->)", re.S)
NAMES = {"me": "GET /users/me", "refresh": "refresh", "login": "sign-in"}
OURS, STOCK, FASTAPI = "this service", "DRF + SimpleJWT", "FastAPI + PyJWT + SQLAlchemy"
HEADINGS = ("req/s", "p50 ms", "p99 ms", "CPU ms", "req/s/core", "DB ms", "gen %")
# At least so many times the other's requests a second.
TARGETS = (("me", STOCK, 2.5), ("me", FASTAPI, 2.0), ("refresh", STOCK, 2.0))
LOGIN_TARGET = 0.9


def table(results: Results) -> str:
    """Every figure; `DB ms` is the CPU that PostgreSQL and Valkey spent on a request."""
    lines = [f"\n{'':44}" + "".join(f"{heading:>11}" for heading in HEADINGS)]
    for operation in results.operations():
        for system in results.systems():
            found = results.figures(operation, system)
            if found:
                lines.append(f"{NAMES[operation]:14}{system:30}" + _cells(found))
    ceiling = results.ceiling()
    if ceiling:
        lines.append(
            f"{'sign-in':14}{'Argon2 alone':30}{ceiling.per_second:11.1f}{'':22}"
            f"{ceiling.cpu_ms:11.2f}"
        )
    lines.append("\nMemory of all processes, MiB")
    for system, used in results.memory.items():
        lines.append(f"{'':14}{system:30}RSS {used.rss:7.0f}   PSS {used.pss:7.0f}")
    lines.append(f"\nLoad average {results.load_average[0]:.1f} on {os.cpu_count()} cores.")
    return "\n".join(lines)


def _cells(found: Figures) -> str:
    return (
        f"{found.per_second:11.1f}{found.p50_ms:11.1f}{found.p99_ms:11.1f}{found.cpu_ms:11.3f}"
        f"{found.per_core:11.0f}{found.shared_cpu_ms:11.3f}{100 * found.generator:11.0f}"
    )


def targets(results: Results) -> str:
    """What was aimed at, and what came out: by requests a second and by CPU."""
    lines = ["\nTargets                                             wanted   req/s     CPU"]
    for operation, system, wanted in TARGETS:
        mine, theirs = results.figures(operation, OURS), results.figures(operation, system)
        if mine and theirs:
            ratios = mine.per_second / theirs.per_second, theirs.cpu_ms / mine.cpu_ms
            lines.append(_target(f"{NAMES[operation]} / {system}", wanted, *ratios))
    mine, ceiling = results.figures("login", OURS), results.ceiling()
    if mine and ceiling:
        ratios = mine.per_second / ceiling.per_second, ceiling.cpu_ms / mine.cpu_ms
        lines.append(_target("sign-in / Argon2 alone", LOGIN_TARGET, *ratios))
    return "\n".join(lines)


def _target(name: str, wanted: float, by_rate: float, by_cpu: float) -> str:
    verdict = "met" if by_rate >= wanted else "missed"
    return f"{name:50}{wanted:8.2f}{by_rate:8.2f}{by_cpu:8.2f}  {verdict}"


def write(results: Results) -> None:
    """The README's block and its picture."""
    PICTURE.write_text(picture(results))
    text = README.read_text()
    replaced = BLOCK.sub(lambda block: f"{block[1]}{_block(results)}{block[2]}", text)
    if replaced == text:
        raise RuntimeError(f"{README} has no block between <!-- benchmark --> marks.")
    README.write_text(replaced)


def _block(results: Results) -> str:
    lines = [
        "![Requests a second](docs/benchmark.svg)\n",
        f"Requests a second, and CPU milliseconds a request, {machine()}:\n",
        "| | " + " | ".join(NAMES[o] for o in results.operations()) + " | memory |",
        "|---|" + "---|" * (len(results.operations()) + 1),
    ]
    for system in results.systems():
        cells = [_cell(results.figures(operation, system)) for operation in results.operations()]
        cells.append(f"{results.memory[system].pss:.0f} MiB")
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(found: Figures | None) -> str:
    return f"{found.per_second:.0f} · {found.cpu_ms:.2f} ms" if found else ""


def machine() -> str:
    """Where and when: "2026-01-31, 2 cores"."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    processor = f" ({model[1].strip()})" if model else ""
    return f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores{processor}"


COLOURS = ("#2563eb", "#64748b", "#0d9488", "#a16207")
WIDTH, LABEL, BAR, ROW, GAP = 760, 230, 400, 22, 30


def picture(results: Results) -> str:
    """Bars of requests a second, each operation on a scale of its own."""
    parts: list[str] = []
    y = 10
    for operation in results.operations():
        y += GAP
        parts.append(f'<text class="head" x="10" y="{y - 8}">{NAMES[operation]}</text>')
        found = {s: results.figures(operation, s) for s in results.systems()}
        most = max(f.per_second for f in found.values() if f)
        for colour, (system, figures) in zip(COLOURS, found.items(), strict=False):
            if figures:
                parts.append(_bar(y, colour, system, figures, most))
                y += ROW
    description = f"Requests a second of {', '.join(results.systems())}; {machine()}."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 10}" role="img">\n'
        f"<title>Requests a second</title>\n<desc>{description}</desc>\n"
        f'<rect width="{WIDTH}" height="{y + 10}" rx="6" fill="#fff"/>\n'
        "<style>text{font:13px system-ui,sans-serif;fill:#1e293b}"
        ".head{font-weight:600}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _bar(y: int, colour: str, system: str, figures: Figures, most: float) -> str:
    width = max(1, round(BAR * figures.per_second / most))
    label = f"{figures.per_second:.0f}/s, {figures.cpu_ms:.2f} ms CPU"
    return (
        f'<text x="10" y="{y + 14}">{system}</text>'
        f'<rect x="{LABEL}" y="{y + 2}" width="{width}" height="{ROW - 6}" fill="{colour}"/>'
        f'<text x="{LABEL + width + 6}" y="{y + 14}">{label}</text>'
    )
