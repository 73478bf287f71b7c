"""What running processes cost, as the kernel counts it. (Linux)"""

import time
from pathlib import Path


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(descendant for child in children for descendant in family(int(child)))]


def cpu_seconds(pid: int) -> float:
    """CPU of a process and its descendants, user and system, to the microsecond."""
    # clock_getcpuclockid(3): the clock of another process is made of its number
    return sum(time.clock_gettime((~member << 3) | 2) for member in family(pid))


def memory_mib(pid: int) -> float:
    """Memory of a process and its descendants; what they share counts once (PSS)."""
    total = 0
    for member in family(pid):
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of `values` do not exceed; nan of nothing."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")
