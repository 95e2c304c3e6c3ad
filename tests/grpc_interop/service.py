"""The service that the interop cases call: it answers as each request asks it to.

Owns: the messages, which are the same for every method, the methods, and what the server saw of calls that
ended early.
Follows: the public list of gRPC interop cases; the messages are our own, since no proxy looks into them.
"""

from __future__ import annotations

import queue
import random
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
import msgspec

NAME = "interop.Test"
ECHOED_INITIAL = "x-interop-echo-initial"
ECHOED_TRAILING = "x-interop-echo-trailing-bin"
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Reply(msgspec.Struct):
    """One message that is wanted."""

    size: int
    compressed: bool = True


class Request(msgspec.Struct):
    """What the client sends, and what it wants."""

    payload: bytes = b""
    replies: list[Reply] = []
    status: tuple[int, str] | None = None
    wait: bool = False
    """Answer only once the call is over, which nobody sees."""
    compress: bool = False


class Response(msgspec.Struct):
    """What the server sends."""

    payload: bytes = b""
    total: int = 0
    """How many bytes came in, where a stream did."""
    time_left: float | None = None


def bytes_of(size: int) -> bytes:
    """The same for the same size; a piece that is lost, or comes twice, shows."""
    return random.Random(size).randbytes(size)


def encode(message: Request | Response) -> bytes:
    return msgspec.msgpack.encode(message)


def decoder(kind: type) -> Callable[[bytes], Any]:
    return msgspec.msgpack.Decoder(kind).decode


@dataclass
class Service:
    """The methods."""

    over: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)
    """The methods whose calls are over, as the server came to know of it, however they ended."""
    sent: dict[str, int] = field(default_factory=dict)
    """How many messages `Flood` has given away, by the key of the call."""
    drain: dict[str, Any] = field(default_factory=dict)

    def empty(self, _: Request, context: grpc.ServicerContext) -> Response:
        return Response()

    def unary(self, request: Request, context: grpc.ServicerContext) -> Response:
        self._begin(request, context)
        size = request.replies[0].size if request.replies else 0
        return Response(bytes_of(size), len(request.payload), context.time_remaining())

    def streaming_input(self, requests: Iterator[Request], context: grpc.ServicerContext) -> Response:
        self._watch("StreamingInput", context)
        total = sum(len(request.payload) for request in requests)
        return Response(total=total)

    def streaming_output(self, request: Request, context: grpc.ServicerContext) -> Iterator[Response]:
        self._begin(request, context)
        yield from self._replies(request, context)

    def full_duplex(self, requests: Iterator[Request], context: grpc.ServicerContext) -> Iterator[Response]:
        self._watch("FullDuplex", context)
        _echo_metadata(context)
        for request in requests:
            self._begin(request, context, echoes=False)
            yield from self._replies(request, context)

    def flood(self, request: Request, context: grpc.ServicerContext) -> Iterator[Response]:
        """Messages without end, of the size that is wanted. The payload is the key of the call."""
        self._watch("Flood", context)
        key, message = request.payload.decode(), Response(bytes_of(request.replies[0].size))
        while context.is_active():
            self.sent[key] = self.sent.get(key, 0) + 1
            yield message

    def ignore(self, requests: Iterator[Request], context: grpc.ServicerContext) -> Response:
        """Reads one request, the key, and no other until it is told to read the rest."""
        key = next(requests).payload.decode()
        self.drain[key].wait(60)
        return Response(total=sum(len(request.payload) for request in requests))

    def wait_for_end(self, method: str, limit: float) -> None:
        """Wait until a call of the method is over. Raises queue.Empty when none is within `limit` seconds."""
        while self.over.get(timeout=limit) != method:
            pass

    def _begin(self, request: Request, context: grpc.ServicerContext, echoes: bool = True) -> None:
        if echoes:
            _echo_metadata(context)
        if request.compress:
            context.set_compression(grpc.Compression.Gzip)
        if request.status:
            code, message = request.status
            context.abort(next(known for known in grpc.StatusCode if known.value[0] == code), message)
        if request.wait:
            over = queue.SimpleQueue[None]()
            if context.add_callback(lambda: over.put(None)):
                over.get()

    def _replies(self, request: Request, context: grpc.ServicerContext) -> Iterator[Response]:
        for reply in request.replies:
            if not reply.compressed:
                context.disable_next_message_compression()
            # What can be compressed shows on the wire whether it was.
            payload = bytes(reply.size) if request.compress else bytes_of(reply.size)
            yield Response(payload)

    def _watch(self, method: str, context: grpc.ServicerContext) -> None:
        context.add_callback(lambda: self.over.put(method))


def _echo_metadata(context: grpc.ServicerContext) -> None:
    given = dict(context.invocation_metadata())
    if ECHOED_INITIAL in given:
        context.send_initial_metadata(((ECHOED_INITIAL, given[ECHOED_INITIAL]),))
    if ECHOED_TRAILING in given:
        context.set_trailing_metadata(((ECHOED_TRAILING, given[ECHOED_TRAILING]),))


def serve(
    service: Service, credentials: grpc.ServerCredentials | None = None, options: list[Any] | None = None
) -> tuple[grpc.Server, int]:
    """A started server of it, and its port."""
    pool = futures.ThreadPoolExecutor(128)
    server = grpc.server(pool, options=[*UNLIMITED, ("grpc.so_reuseport", 0), *(options or [])])
    coded: dict[str, Any] = {"request_deserializer": decoder(Request), "response_serializer": encode}
    methods = {
        "Empty": grpc.unary_unary_rpc_method_handler(service.empty, **coded),
        "Unary": grpc.unary_unary_rpc_method_handler(service.unary, **coded),
        "StreamingInput": grpc.stream_unary_rpc_method_handler(service.streaming_input, **coded),
        "StreamingOutput": grpc.unary_stream_rpc_method_handler(service.streaming_output, **coded),
        "FullDuplex": grpc.stream_stream_rpc_method_handler(service.full_duplex, **coded),
        "Flood": grpc.unary_stream_rpc_method_handler(service.flood, **coded),
        "Ignore": grpc.stream_unary_rpc_method_handler(service.ignore, **coded),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, methods),))
    port = (
        server.add_secure_port("127.0.0.1:0", credentials)
        if credentials
        else server.add_insecure_port("127.0.0.1:0")
    )
    server.start()
    return server, port
