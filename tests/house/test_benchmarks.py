"""What `make bench` makes of its measurements."""

import os
import subprocess
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.processes import Memory, cpu_seconds, family, memory
from benchmarks.results import Ceiling, Results, Sample


def sample(*, requests: int, cpu: float) -> Sample:
    return Sample(seconds=2.0, latencies=[0.01] * requests, cpu=cpu, shared_cpu=0.1, generator=0.05)


@pytest.fixture
def results() -> Results:
    """Ours answers three times as much as stock, at half the CPU, and signs in too slowly."""
    made = Results(ceilings=[Ceiling(per_second=100, cpu_ms=20)])
    for operation, requests in (("me", 600), ("login", 80)):
        made.add(report.OURS, operation, sample(requests=requests, cpu=0.6))
        made.add(report.STOCK, operation, sample(requests=requests // 3, cpu=0.4))
    made.memory = {report.OURS: Memory(500, 300), report.STOCK: Memory(400, 350)}
    return made


def test_the_figures_are_those_of_the_median_round(results: Results) -> None:
    for _ in range(2):
        results.add(report.OURS, "me", sample(requests=400, cpu=0.8))
    found = results.figures("me", report.OURS)
    assert found is not None
    assert (found.per_second, found.cpu_ms, found.per_core) == (200, 2.0, 500)
    assert round(found.p99_ms) == 10
    assert results.figures("refresh", report.OURS) is None


def test_a_target_says_whether_it_was_met(results: Results) -> None:
    met, missed = report.targets(results).splitlines()[2:]
    assert met.split()[-4:] == ["2.50", "3.00", "2.00", "met"]
    assert missed.split()[-4:] == ["0.90", "0.40", "2.67", "missed"]


def test_the_readme_gets_the_table_between_its_marks(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- benchmark -->\nold\n<!-- /benchmark -->\nafter\n")
    monkeypatch.setattr(report, "README", readme)
    monkeypatch.setattr(report, "PICTURE", tmp_path / "picture.svg")
    report.write(results)
    text = readme.read_text()
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("<!-- /benchmark -->\nafter\n")
    assert "| this service | 300 · 1.00 ms | 40 · 7.50 ms | 300 MiB |" in text
    assert "300/s, 1.00 ms CPU" in (tmp_path / "picture.svg").read_text()


def test_a_readme_without_the_marks_is_not_passed_over(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing here\n")
    monkeypatch.setattr(report, "README", readme)
    monkeypatch.setattr(report, "PICTURE", tmp_path / "picture.svg")
    with pytest.raises(RuntimeError, match="no block"):
        report.write(results)


def test_a_process_is_measured_with_its_family() -> None:
    me = os.getpid()
    with subprocess.Popen(["sleep", "60"]) as child:
        assert {me, child.pid} <= set(family(me))
        child.kill()
    assert cpu_seconds(me) > 0
    assert memory(me).rss >= memory(me).pss > 0
