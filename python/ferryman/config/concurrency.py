"""How many workers a process should have when nobody says.

Owns the default of `--concurrency`: the least of the hardware threads, the CPUs that the process may run on
and the CPU quota of its control group (whole CPUs, at least one).

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/cli (--concurrency) and cgroups(7).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def default_concurrency(root: Path = Path("/")) -> int:
    """The number of workers; `root` is where `proc` and `sys` are found."""
    candidates = [os.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):
        candidates.append(len(os.sched_getaffinity(0)))
    candidates.extend(max(1, int(quota)) for quota in _cgroup_quotas(root))
    return max(1, min(candidates))


def _cgroup_quotas(root: Path) -> Iterator[float]:
    """The CPU quotas, in CPUs, of the process's control groups and of all groups above them."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            for folder in _upwards(root / "sys/fs/cgroup", path):
                yield from _quota(*_read(folder / "cpu.max").split()[:2])
        elif "cpu" in controllers.split(","):
            for folder in _upwards(root / "sys/fs/cgroup/cpu", path):
                yield from _quota(
                    _read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip()
                )


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    folder = mount / path.lstrip("/")
    while folder != mount and mount in folder.parents:
        yield folder
        folder = folder.parent
    yield mount


def _quota(quota: str = "", period: str = "") -> Iterator[float]:
    if quota.isdigit() and period.isdigit() and int(period) > 0 and int(quota) > 0:
        yield int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
