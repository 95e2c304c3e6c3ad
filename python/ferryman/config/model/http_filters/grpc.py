"""The filters of gRPC (Envoy: `grpc_stats.v3`, `grpc_web.v3`, `grpc_http1_bridge.v3`)."""

from __future__ import annotations

from ferryman.config.model.struct import Tagged


class GrpcStats(Tagged, tag="grpc_stats", frozen=True):
    """Calls are counted by service and method, those that are not listed together."""

    emit_filter_state: bool
    methods: list[tuple[str, str]] | None  # service and method; None: all methods
    enable_upstream_stats: bool
    replace_dots_in_service_name: bool  # only where all methods are counted, as in Envoy


class GrpcWeb(Tagged, tag="grpc_web", frozen=True):
    """It has no settings."""


class GrpcHttp1Bridge(Tagged, tag="grpc_http1_bridge", frozen=True):
    """`upgrade_protobuf`: a bare message of protobuf is made a call too."""

    upgrade_protobuf: bool
    ignore_query_parameters: bool
