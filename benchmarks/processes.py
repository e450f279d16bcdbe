"""What the processes of a server use: CPU seconds and memory, from /proc."""

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
KIB_IN_MIB = 1024


@dataclass(frozen=True)
class Memory:
    """MiB of all processes of a server together; PSS counts shared pages once."""

    rss: float
    pss: float


def family(root: int) -> list[int]:
    """A process and all that descend from it."""
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children[int(fields[1])].append(int(entry.name))
    found = [root]
    for pid in found:
        found += children[pid]
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of a server's processes, those that have ended meanwhile too."""
    ticks = 0
    for pid in family(root):
        if fields := _stat(pid):
            # utime, stime, and both of the children that were waited for.
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS


def memory(root: int) -> Memory:
    rss = pss = 0
    for pid in family(root):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        sizes = {line.split(":")[0]: line.split()[1] for line in lines[1:]}
        rss += int(sizes["Rss"])
        pss += int(sizes["Pss"])
    return Memory(rss / KIB_IN_MIB, pss / KIB_IN_MIB)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name; empty for a process that is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()
