"""A proxy: configuration and data plane put together. Start, apply, drain, stop.

Owns the order of these steps and Python's only loop while the proxy runs: waiting, with the GIL released, for
admin pages that Python answers. Traffic never comes here. What a configuration means is `config/`'s business,
what the pages show is `admin/`'s.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from os import PathLike, fspath
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from ferryman import _native
from ferryman.admin import pages
from ferryman.admin.config_places import KeptSources
from ferryman.admin.page import RunningConfig, now
from ferryman.admin.server_info import server_info
from ferryman.config.pipeline import LoadOptions, Lowered, load_bootstrap, read_sources
from ferryman.errors import StartError, WorkersEndedError
from ferryman.options import DEFAULT_LOG_FORMAT, Options
from ferryman.ports_in_use import refuse_ports_in_use
from ferryman.process_limits import allow_core_dumps, raise_descriptor_limit

if TYPE_CHECKING:
    from ferryman.config.source import Source


def sources_of(options: Options) -> list[Source]:
    """The texts that `--config-path` and `--config-yaml` stand for. Raises SourceError."""
    return read_sources([options.config_path] if options.config_path else [], options.config_yaml)


def load_options_of(options: Options) -> LoadOptions:
    """What the command line says about a configuration."""
    return LoadOptions(
        service_cluster=options.service_cluster,
        service_node=options.service_node,
        service_zone=options.service_zone,
        concurrency=options.concurrency,
        drain_time_s=options.drain_time_s,
        drain_strategy=options.drain_strategy,
        file_flush_interval_ms=options.file_flush_interval_msec,
        file_flush_min_size_bytes=options.file_flush_min_size_kb * 1024,
        stats_tags=options.stats_tags,
        log_format_is_set=options.log_format != DEFAULT_LOG_FORMAT,
        skip_deprecated_logs=options.skip_deprecated_logs,
        allow_unknown_fields=options.allow_unknown_static_fields,
    )


class Proxy:
    """One running proxy. From Python:

        with Proxy.from_file("envoy.yaml") as proxy:
            print(proxy.listener_addresses)

    Or `proxy.run()`, which serves until SIGTERM, SIGINT or `stop` from another thread.
    """

    def __init__(self, lowered: Lowered, options: Options, sources: Sequence[Source] = ()) -> None:
        """Takes a checked configuration, and the texts that it came from; nothing is bound yet."""
        self._lowered: Lowered | None = lowered
        self._sources = KeptSources(sources)
        self._options = options
        self._running: RunningConfig | None = None
        self._native: _native.Proxy | None = None
        self._answering: threading.Thread | None = None
        self._failed = False

    @classmethod
    def from_options(cls, options: Options) -> Self:
        """A proxy from what the command line says. Raises ConfigError or SourceError."""
        sources = sources_of(options)
        return cls(load_bootstrap(sources, load_options_of(options)), options, sources)

    @classmethod
    def from_file(cls, path: str | PathLike[str], options: Options | None = None) -> Self:
        """A proxy from a bootstrap file (.yaml, .json, .pb, .pb_text). Raises ConfigError or SourceError."""
        return cls.from_options(replace(options or Options(log_level="warning"), config_path=fspath(path)))

    @classmethod
    def from_yaml(cls, text: str, options: Options | None = None) -> Self:
        """A proxy from a bootstrap in YAML. Raises ConfigError."""
        return cls.from_options(replace(options or Options(log_level="warning"), config_yaml=text))

    def bind(self) -> None:
        """Makes the data plane, compiles the configuration and binds every address. Raises StartError."""
        lowered, self._lowered = self._lowered, None
        if lowered is None:
            raise StartError("a proxy starts once; make another one")
        if self._options.enable_core_dump:
            allow_core_dumps()
        addresses = sum(len(listener.addresses) for listener in lowered.listeners)
        raise_descriptor_limit(lowered.bootstrap.concurrency, addresses)
        if not self._options.restart_epoch:
            refuse_ports_in_use(lowered.listeners)
        running = self._running = RunningConfig(
            options=self._options,
            bootstrap=lowered.message,
            concurrency=lowered.bootstrap.concurrency,
            sources=self._sources,
        )
        with _as_start_error():
            native = self._native = self._make_native(lowered, running)
            running.last_failed_stream = lambda request_id, connection_id: native.failed_streams(
                request_id=request_id, connection_id=connection_id, most=1
            )
            running.certificates = native.certificates
            for warning in lowered.warnings:
                _native.log("warning", "config", warning)
            encode = msgspec.msgpack.Encoder().encode
            self._native.apply(
                [encode(cluster) for cluster in lowered.clusters],
                [encode(listener) for listener in lowered.listeners],
            )
        running.applied_at = now()

    def start(self) -> None:
        """Binds, unless `bind` was called, and lets traffic flow. Raises StartError.

        Signals stay with the program.
        """
        self._start(signals=False)

    def _start(self, *, signals: bool) -> None:
        if self._native is None:
            self.bind()
        assert self._native is not None
        # What it imports must be there before traffic can take the last file descriptor.
        _malloc_trim()
        with _as_start_error():
            self._native.start(signals=signals)
        _native.log("info", "main", "starting main dispatch loop")
        self._write_admin_address()
        _give_back_memory()

    def run(self) -> None:
        """Starts, serves until asked to end, drains, ends. Raises StartError or WorkersEndedError.

        For a process of its own: Ctrl-C drains and ends here, it does not raise KeyboardInterrupt.
        """
        with _without_python_interrupts():
            self._start(signals=True)
            self._answer_until_stopped()
            self.close()
        if self._failed:
            raise WorkersEndedError("no worker is left, so the process ends; the log says what ended them")

    def wait(self) -> None:
        """Waits until a proxy that was entered with `with` has ended."""
        if self._answering is not None:
            self._answering.join()

    def stop(self, *, drain: bool = False) -> None:
        """Asks the proxy to end; `drain` first lets requests in flight finish. Waits until it has."""
        if self._native is not None:
            self._native.shutdown(drain=drain)
        self.wait()

    def close(self) -> None:
        """Ends all threads and closes all sockets. May be called more than once."""
        if self._native is not None:
            self._native.close()

    def __enter__(self) -> Self:
        """Starts; a thread answers the admin pages of Python."""
        self.start()
        self._answering = threading.Thread(target=self._answer_until_stopped, name="ferryman", daemon=True)
        self._answering.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops without draining."""
        self.stop()
        self.close()

    @property
    def listener_addresses(self) -> dict[str, list[str]]:
        """Name of each listener to the addresses that it is bound to, `IP:port` or a path."""
        addresses: dict[str, list[str]] = {}
        for name, address in self._native.listener_addresses() if self._native is not None else []:
            addresses.setdefault(name, []).append(address)
        return addresses

    @property
    def admin_address(self) -> str | None:
        """Where the admin listener is bound, `IP:port` or a path; None without one."""
        return self._native.admin_address() if self._native is not None else None

    def _make_native(self, lowered: Lowered, running: RunningConfig) -> _native.Proxy:
        options = self._options
        return _native.Proxy(
            msgspec.msgpack.encode(lowered.bootstrap),
            log_level=options.log_level,
            component_log_levels=options.component_log_levels,
            log_path=options.log_path or None,
            log_format=options.log_format,
            log_format_escaped=options.log_format_escaped,
            server_info=server_info(running),
            python_pages=pages.described(),
        )

    def _answer_until_stopped(self) -> None:
        assert self._native is not None and self._running is not None
        while (event := self._native.next_event(None)) not in ("stopped", "failed"):
            if event is not None and not isinstance(event, str):
                pages.answer(event, self._running)
                _trim_heap()
        self._failed = event == "failed"

    def _write_admin_address(self) -> None:
        path, address = self._options.admin_address_path, self.admin_address
        if not path or address is None:
            return
        try:
            Path(path).write_text(address)
        except OSError as error:
            _native.log("error", "main", f"cannot write the admin address to {path}: {error.strerror}")


@contextlib.contextmanager
def _as_start_error() -> Iterator[None]:
    """The data plane's refusal as an error of ours."""
    try:
        yield
    except _native.NativeError as error:
        raise StartError(str(error)) from None


@contextlib.contextmanager
def _without_python_interrupts() -> Iterator[None]:
    """SIGINT belongs to the data plane; before it takes it, Ctrl-C ends the process without a traceback."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _give_back_memory() -> None:
    """Gives the system back what loading took, and spares the collector what stays."""
    gc.collect()
    gc.freeze()
    _trim_heap()


def _trim_heap() -> None:
    """Gives the system back what was freed."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    """The function of glibc; None elsewhere."""
    import ctypes

    return getattr(ctypes.CDLL(None), "malloc_trim", None)
