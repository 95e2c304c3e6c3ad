"""What the kernel knows of a process and its children: CPU time and memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def cpu_s(pid: int) -> float:
    """CPU seconds used so far by every thread of the process and of its descendants (`schedstat`)."""
    total_ns = 0
    for task in _tasks(pid):
        try:
            total_ns += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended between listing and reading
    return total_ns / 1e9


def memory_mib(pid: int) -> float:
    """Memory of the process and its descendants, shared pages divided among their users (Pss)."""
    return _rollup_mib(pid, "Pss:")


def anonymous_mib(pid: int) -> float:
    """What the process and its descendants have allocated.

    Pages of programs and libraries are left out: their share of Pss grows when another process that uses them
    ends, by more than an hour's leak.
    """
    return _rollup_mib(pid, "Anonymous:")


def _rollup_mib(pid: int, row: str) -> float:
    total_kib = 0
    for member in _family(pid):
        try:
            lines = (PROC / str(member) / "smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total_kib += sum(int(line.split()[1]) for line in lines if line.startswith(row))
    return total_kib / 1024


def _tasks(pid: int) -> Iterator[Path]:
    for member in _family(pid):
        try:
            yield from (PROC / str(member) / "task").iterdir()
        except (FileNotFoundError, ProcessLookupError):
            continue


def _family(pid: int) -> list[int]:
    members = [pid]
    for member in members:
        try:
            for task in (PROC / str(member) / "task").iterdir():
                members += map(int, (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return members
