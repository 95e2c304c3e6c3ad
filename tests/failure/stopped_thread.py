"""Stopping one thread of a process, while the others go on: as a debugger does it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_DETACH, _SEIZE, _INTERRUPT = 17, 0x4206, 0x4207
_ALL_CHILDREN = 0x40000000  # __WALL of waitpid(2): threads as well

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request: int, thread: int) -> None:
    if _libc.ptrace(request, thread, None, None) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def threads(process: int) -> dict[str, int]:
    """The ids of a process's threads by their names."""
    tasks = Path(f"/proc/{process}/task")
    found = {}
    for task in tasks.iterdir():
        with suppress(FileNotFoundError):  # it has ended meanwhile
            found[(task / "comm").read_text().strip()] = int(task.name)
    return found


@contextmanager
def stopped(thread: int) -> Iterator[None]:
    """The thread stands still meanwhile. PermissionError: the machine does not allow it."""
    _ptrace(_SEIZE, thread)
    _ptrace(_INTERRUPT, thread)
    os.waitpid(thread, _ALL_CHILDREN)
    try:
        yield
    finally:
        try:
            _ptrace(_DETACH, thread)
        except ProcessLookupError:
            # Its process has ended, and is not gone before it is waited for here as well.
            os.waitpid(thread, _ALL_CHILDREN)
