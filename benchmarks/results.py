"""What was measured, and the figures made of it."""

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median, quantiles

from benchmarks.processes import Memory


@dataclass(frozen=True)
class Sample:
    """One measurement of one operation; times in seconds."""

    seconds: float
    latencies: list[float]
    cpu: float
    """Of the server's processes."""
    shared_cpu: float
    """Of PostgreSQL and Valkey."""
    generator: float
    """The part of a core that the load generator used."""


@dataclass(frozen=True)
class Ceiling:
    """What checking passwords alone allows: checks a second, and the CPU of one."""

    per_second: float
    cpu_ms: float


@dataclass(frozen=True)
class Figures:
    """An operation of a system over all rounds."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    shared_cpu_ms: float
    generator: float

    @property
    def per_core(self) -> float:
        """Requests a second that one core of the server would answer."""
        return 1000 / self.cpu_ms


@dataclass
class Results:
    samples: dict[str, dict[str, list[Sample]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    ceilings: list[Ceiling] = field(default_factory=list)
    memory: dict[str, Memory] = field(default_factory=dict)
    load_average: tuple[float, float, float] = (0, 0, 0)

    def add(self, system: str, operation: str, sample: Sample) -> None:
        self.samples[operation][system].append(sample)

    def operations(self) -> list[str]:
        return list(self.samples)

    def systems(self) -> list[str]:
        return list(self.memory)

    def figures(self, operation: str, system: str) -> Figures | None:
        """The median round for rates, all requests together for latencies."""
        samples = self.samples[operation].get(system)
        if not samples:
            return None
        percent = quantiles([t for sample in samples for t in sample.latencies], n=100)
        return Figures(
            per_second=median(len(s.latencies) / s.seconds for s in samples),
            p50_ms=1000 * percent[49],
            p99_ms=1000 * percent[98],
            cpu_ms=1000 * median(s.cpu / len(s.latencies) for s in samples),
            shared_cpu_ms=1000 * median(s.shared_cpu / len(s.latencies) for s in samples),
            generator=max(s.generator for s in samples),
        )

    def ceiling(self) -> Ceiling | None:
        if not self.ceilings:
            return None
        return Ceiling(
            per_second=median(c.per_second for c in self.ceilings),
            cpu_ms=median(c.cpu_ms for c in self.ceilings),
        )
