"""Limits of the process: raised as far as allowed, and refused early if that is too little to start.

Owns RLIMIT_NOFILE and RLIMIT_CORE. Running out of descriptors while serving is the data plane's business: it
pauses accepting.
"""

from __future__ import annotations

import resource

from ferryman.errors import StartError

RESERVE = 64
"""Descriptors for what is no listening socket: event loops, logs, a few connections to begin with."""

PER_WORKER = 8
"""Descriptors of an event loop and of the channels to it."""


def raise_descriptor_limit(workers: int, addresses: int) -> None:
    """Raises the soft limit to the hard one. Raises StartError if that is not enough to start.

    `addresses`: how many addresses the listeners have; each worker has a socket of its own for each.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    needed = RESERVE + workers * (addresses + PER_WORKER)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise StartError(
            f"too few file descriptors: {hard} are allowed, {workers} workers with {addresses} addresses"
            f" need at least {needed} (ulimit -n)"
        )


def allow_core_dumps() -> None:
    """Raises the limit for core dumps as far as allowed (`--enable-core-dump`)."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
