"""What one password hash costs on this machine, for the parameters one may choose.

    python -m benchmarks.hashes

Each line is measured in a process of its own: what the C library keeps of one choice would flatter the
next. So is each memory setting, which a program reads once, when it starts.
"""

import os
import resource
import subprocess
import sys
import time

CHOICES = (  # memory in KiB, passes, lanes
    ("ours, OWASP's first", 47_104, 1, 1),
    ("OWASP's second", 19_456, 2, 1),
    ("Django's default", 102_400, 2, 8),
)
MEMORY_SETTINGS = (
    "",
    "glibc.malloc.hugetlb=1",
    "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=134217728",
)
ROUNDS, HASHES = 7, 5


def cpu_of_one_hash(memory: int, passes: int, lanes: int) -> tuple[float, float]:
    """Milliseconds of CPU, user and system, and pages faulted in: the median of some rounds."""
    from argon2.low_level import Type, hash_secret

    def work():
        hash_secret(b"cinq-phares-et-une-digue", b"0" * 16, passes, memory, lanes, 32, Type.ID)

    work()
    spent = []
    for _round in range(ROUNDS):
        began, faults = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _hash in range(HASHES):
            work()
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
        spent.append(((time.process_time() - began) / HASHES * 1000, faults / HASHES))
    return sorted(spent)[ROUNDS // 2]


def measure(memory: int, passes: int, lanes: int, tunables: str = "") -> tuple[float, float]:
    """The same in a fresh process, under the given GLIBC_TUNABLES."""
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.hashes", str(memory), str(passes), str(lanes)],
        env={**os.environ, "GLIBC_TUNABLES": tunables},
        capture_output=True,
        text=True,
        check=True,
    )
    spent, faults = ended.stdout.split()
    return float(spent), float(faults)


def main() -> None:
    print(f"CPU of one Argon2id hash in ms (page faults), {os.cpu_count()} cores")
    for tunables in MEMORY_SETTINGS:
        print(f"\n  GLIBC_TUNABLES={tunables or '(none)'}")
        for name, memory, passes, lanes in CHOICES:
            spent, faults = measure(memory, passes, lanes, tunables)
            print(
                f"    {name:20} m={memory / 1024:g} MiB t={passes} p={lanes}:"
                f" {spent:6.1f} ({faults:.0f})"
            )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(*cpu_of_one_hash(*map(int, sys.argv[1:])))
    else:
        main()
