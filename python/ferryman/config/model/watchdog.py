"""How long a thread may be stuck (Envoy: `config.bootstrap.v3.Watchdog`)."""

from __future__ import annotations

from ferryman.config.model.struct import Model


class Watchdog(Model, frozen=True):
    """What follows when a thread does not get on for so long. None: nothing."""

    miss_timeout_ms: int
    megamiss_timeout_ms: int
    kill_timeout_ms: int | None  # the process ends when one thread is stuck for longer
    max_kill_timeout_jitter_ms: int
    multikill_timeout_ms: int | None  # the same for several threads, at least two
    multikill_threshold: float  # percent of the threads
    aborts_on_miss: bool
    aborts_on_megamiss: bool
