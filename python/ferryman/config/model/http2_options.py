"""Options of HTTP/2 (Envoy: `config.core.v3.Http2ProtocolOptions`)."""

from __future__ import annotations

from ferryman.config.model.struct import Model


class KeepaliveSettings(Model, frozen=True):
    """When a peer is asked whether it is there (Envoy: `config.core.v3.KeepaliveSettings`)."""

    interval_ms: int | None  # None: not regularly
    timeout_ms: int
    interval_jitter_percent: float
    connection_idle_interval_ms: int | None
    """After a silence of so long it is asked before a stream is opened; None: it is not."""


class Http2ProtocolOptions(Model, frozen=True):
    """Limits of HTTP/2. Sizes in bytes."""

    hpack_table_size: int
    max_concurrent_streams: int
    initial_stream_window_size: int
    initial_connection_window_size: int
    allow_connect: bool
    max_outbound_frames: int
    max_outbound_control_frames: int
    max_consecutive_inbound_frames_with_empty_payload: int
    max_inbound_priority_frames_per_stream: int
    max_inbound_window_update_frames_per_data_frame_sent: int
    stream_error_on_invalid_http_message: bool
    """Whether a malformed message ends its stream alone, not the connection."""
    stream_reset_burst: int
    """How many streams may be reset at a time, and `stream_reset_rate` how many more each second."""
    stream_reset_rate: int
    enable_huffman_encoding: bool
    custom_settings: list[tuple[int, int]]
    """Identifiers and values that SETTINGS has besides."""
    connection_keepalive: KeepaliveSettings | None
