"""The client's side of the interop cases: each calls and says what is wrong by failing.

Follows: the public list of gRPC interop cases, without those that need somebody's cloud accounts. Sizes are
those of the list.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from typing import Any

import grpc

from grpc_interop.service import (
    ECHOED_INITIAL,
    ECHOED_TRAILING,
    NAME,
    Reply,
    Request,
    Response,
    Service,
    bytes_of,
    decoder,
    encode,
)

LARGE_REQUEST, LARGE_RESPONSE = 271_828, 314_159
REQUESTS = [27_182, 8, 1_828, 45_904]
RESPONSES = [31_415, 9, 2_653, 58_979]
MESSAGE = "test status message"
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈 100%\t\n"
LIMIT = 30.0
"""Seconds after which a call has failed; no case takes as many."""


class Client:
    """The methods, called on one channel."""

    def __init__(self, channel: grpc.Channel, service: Service) -> None:
        self.channel = channel
        self.service = service
        """To ask what the server saw."""
        coded: dict[str, Any] = {"request_serializer": encode, "response_deserializer": decoder(Response)}
        self.empty = channel.unary_unary(f"/{NAME}/Empty", **coded)
        self.unary = channel.unary_unary(f"/{NAME}/Unary", **coded)
        self.unimplemented = channel.unary_unary(f"/{NAME}/Unimplemented", **coded)
        self.unknown_service = channel.unary_unary("/interop.Unknown/Unary", **coded)
        self.streaming_input = channel.stream_unary(f"/{NAME}/StreamingInput", **coded)
        self.streaming_output = channel.unary_stream(f"/{NAME}/StreamingOutput", **coded)
        self.full_duplex = channel.stream_stream(f"/{NAME}/FullDuplex", **coded)
        self.flood = channel.unary_stream(f"/{NAME}/Flood", **coded)
        self.ignore = channel.stream_unary(f"/{NAME}/Ignore", **coded)


class Requests:
    """Requests of a stream, sent as they are given."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Request | None] = queue.SimpleQueue()

    def send(self, request: Request) -> None:
        self._waiting.put(request)

    def end(self) -> None:
        self._waiting.put(None)

    def __iter__(self) -> Iterator[Request]:
        while (request := self._waiting.get()) is not None:
            yield request


def failure(call: Callable[[], Any]) -> grpc.RpcError:
    """How a call that must fail has failed."""
    try:
        found = call()
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"it did not fail: {found}")


def sizes(responses: Any) -> list[int]:
    """How large the messages are, which must be the right bytes."""
    found = []
    for response in responses:
        assert response.payload in (bytes_of(len(response.payload)), bytes(len(response.payload)))
        found.append(len(response.payload))
    return found


def empty_unary(client: Client) -> None:
    assert client.empty(Request(), timeout=LIMIT) == Response()


def large_unary(client: Client) -> None:
    response = client.unary(Request(bytes_of(LARGE_REQUEST), [Reply(LARGE_RESPONSE)]), timeout=LIMIT)
    assert response.total == LARGE_REQUEST and response.payload == bytes_of(LARGE_RESPONSE)


def client_compressed_unary(client: Client) -> None:
    request = Request(bytes(LARGE_REQUEST), [Reply(LARGE_RESPONSE)])
    response = client.unary(request, compression=grpc.Compression.Gzip, timeout=LIMIT)
    assert response.total == LARGE_REQUEST and response.payload == bytes_of(LARGE_RESPONSE)


def server_compressed_unary(client: Client) -> None:
    call = client.streaming_output(Request(b"", [Reply(LARGE_RESPONSE)], compress=True), timeout=LIMIT)
    assert sizes(call) == [LARGE_RESPONSE]


def client_streaming(client: Client) -> None:
    response = client.streaming_input((Request(bytes_of(size)) for size in REQUESTS), timeout=LIMIT)
    assert response.total == sum(REQUESTS) == 74_922


def client_compressed_streaming(client: Client) -> None:
    requests = (Request(bytes(size)) for size in REQUESTS)
    response = client.streaming_input(requests, compression=grpc.Compression.Gzip, timeout=LIMIT)
    assert response.total == sum(REQUESTS)


def server_streaming(client: Client) -> None:
    call = client.streaming_output(Request(replies=[Reply(size) for size in RESPONSES]), timeout=LIMIT)
    assert sizes(call) == RESPONSES
    assert call.code() is grpc.StatusCode.OK


def server_compressed_streaming(client: Client) -> None:
    replies = [Reply(31_415), Reply(92_653, compressed=False)]
    assert sizes(client.streaming_output(Request(replies=replies, compress=True), timeout=LIMIT)) == [
        31_415,
        92_653,
    ]


def ping_pong(client: Client) -> None:
    requests = Requests()
    call = client.full_duplex(iter(requests), timeout=LIMIT)
    for sent, wanted in zip(REQUESTS, RESPONSES, strict=True):
        requests.send(Request(bytes_of(sent), [Reply(wanted)]))
        assert sizes([next(call)]) == [wanted]
    requests.end()
    assert list(call) == [] and call.code() is grpc.StatusCode.OK


def empty_stream(client: Client) -> None:
    call = client.full_duplex(iter(()), timeout=LIMIT)
    assert list(call) == [] and call.code() is grpc.StatusCode.OK


def cancel_after_begin(client: Client) -> None:
    requests = Requests()
    call = client.streaming_input.future(iter(requests), timeout=LIMIT)
    call.cancel()
    assert call.cancelled() and call.code() is grpc.StatusCode.CANCELLED
    requests.end()


def _forget(service: Service) -> None:
    """The calls that are over: the next one is one that was open."""
    while not service.over.empty():
        service.over.get()


def cancel_while_sending(client: Client) -> None:
    """The server has got a message, and comes to know that there is no more."""
    requests = Requests()
    call = client.full_duplex(iter(requests), timeout=LIMIT)
    requests.send(Request(b"", [Reply(1)]))
    next(call)
    requests.send(Request(bytes_of(LARGE_REQUEST), wait=True))
    _forget(client.service)
    call.cancel()
    assert call.code() is grpc.StatusCode.CANCELLED
    client.service.wait_for_end("FullDuplex", LIMIT)
    requests.end()


def cancel_after_first_response(client: Client) -> None:
    requests = Requests()
    call = client.full_duplex(iter(requests), timeout=LIMIT)
    requests.send(Request(bytes_of(27_182), [Reply(31_415)]))
    assert sizes([next(call)]) == [31_415]
    _forget(client.service)
    call.cancel()
    assert failure(lambda: next(call)).code() is grpc.StatusCode.CANCELLED
    client.service.wait_for_end("FullDuplex", LIMIT)
    requests.end()


def timeout_on_sleeping_server(client: Client) -> None:
    requests = Requests()
    call = client.full_duplex(iter(requests), timeout=0.001)
    requests.send(Request(bytes_of(27_182), wait=True))
    error = failure(lambda: next(call))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED, error
    requests.end()


def deadline_is_passed_on(client: Client) -> None:
    left = client.unary(Request(), timeout=LIMIT).time_left
    # It is rounded up on the way.
    assert left is not None and 0 < left < LIMIT + 1
    # Without one it is beyond all time.
    without = client.unary(Request()).time_left
    assert without is None or without > 1_000_000


def custom_metadata(client: Client) -> None:
    given = ((ECHOED_INITIAL, "test_initial_metadata_value"), (ECHOED_TRAILING, b"\xab\xab\xab"))
    request = Request(bytes_of(LARGE_REQUEST), [Reply(LARGE_RESPONSE)])
    _, unary = client.unary.with_call(request, metadata=given, timeout=LIMIT)
    duplex = client.full_duplex(iter([request]), metadata=given, timeout=LIMIT)
    assert sizes(duplex) == [LARGE_RESPONSE]
    for call in (unary, duplex):
        assert dict(call.initial_metadata())[ECHOED_INITIAL] == given[0][1]
        assert dict(call.trailing_metadata())[ECHOED_TRAILING] == given[1][1]


def binary_metadata(client: Client) -> None:
    """Every byte, and lengths that need each kind of padding."""
    for value in (bytes(range(256)), b"", b"1", b"12", b"123"):
        given = ((ECHOED_TRAILING, value),)
        _, call = client.unary.with_call(Request(), metadata=given, timeout=LIMIT)
        assert dict(call.trailing_metadata())[ECHOED_TRAILING] == value


def status_code_and_message(client: Client) -> None:
    request = Request(status=(2, MESSAGE))
    unary = failure(lambda: client.unary(request, timeout=LIMIT))
    duplex = failure(lambda: list(client.full_duplex(iter([request]), timeout=LIMIT)))
    for error in (unary, duplex):
        assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, MESSAGE)


def every_status(client: Client) -> None:
    for status in grpc.StatusCode:
        if status is grpc.StatusCode.OK:
            continue
        call = Request(status=(status.value[0], status.name))
        error = failure(lambda call=call: client.unary(call, timeout=LIMIT))  # type: ignore[misc]
        assert (error.code(), error.details()) == (status, status.name)


def special_status_message(client: Client) -> None:
    error = failure(lambda: client.unary(Request(status=(2, SPECIAL)), timeout=LIMIT))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, SPECIAL)


def unimplemented_method(client: Client) -> None:
    error = failure(lambda: client.unimplemented(Request(), timeout=LIMIT))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def unimplemented_service(client: Client) -> None:
    error = failure(lambda: client.unknown_service(Request(), timeout=LIMIT))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def concurrent_large_unary(client: Client) -> None:
    request = Request(bytes_of(LARGE_REQUEST), [Reply(LARGE_RESPONSE)])
    calls = [client.unary.future(request, timeout=LIMIT) for _ in range(40)]
    for call in calls:
        response = call.result(LIMIT)
        assert response.total == LARGE_REQUEST and response.payload == bytes_of(LARGE_RESPONSE)


def concurrent_streams(client: Client) -> None:
    """100 of them open at once, each in the middle of its messages."""
    requests = [Requests() for _ in range(100)]
    calls = [client.full_duplex(iter(one), timeout=LIMIT) for one in requests]
    for turn in range(3):
        for number, one in enumerate(requests):
            one.send(Request(b"", [Reply(number + turn)]))
        for number, call in enumerate(calls):
            assert sizes([next(call)]) == [number + turn]
    for one, call in zip(requests, calls, strict=True):
        one.end()
        assert list(call) == [] and call.code() is grpc.StatusCode.OK


def large_messages_both_ways(client: Client) -> None:
    """Larger than any window, in both directions at once."""
    size = 3_000_000
    requests = (Request(bytes_of(size), [Reply(size)]) for _ in range(4))
    assert sizes(client.full_duplex(requests, timeout=LIMIT)) == [size] * 4


def many_small_messages(client: Client) -> None:
    request = Request(replies=[Reply(number % 7) for number in range(2_000)])
    assert sizes(client.streaming_output(request, timeout=LIMIT)) == [number % 7 for number in range(2_000)]


def rpc_soak(client: Client) -> None:
    with futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: large_unary(client), range(60)))


@dataclass(frozen=True)
class Wire:
    """How many bytes may go over the wire: where less than the messages' size, they are compressed."""

    sent: tuple[int, int] = (0, 1 << 40)
    received: tuple[int, int] = (0, 1 << 40)


COMPRESSED = 20_000
"""Far less than any message that is compressed, and more than what else there is."""
CASES: dict[Callable[[Client], None], Wire] = {
    empty_unary: Wire(),
    large_unary: Wire((LARGE_REQUEST, 400_000), (LARGE_RESPONSE, 400_000)),
    client_compressed_unary: Wire((0, COMPRESSED), (LARGE_RESPONSE, 400_000)),
    server_compressed_unary: Wire((0, COMPRESSED), (0, COMPRESSED)),
    client_streaming: Wire((sum(REQUESTS), 100_000)),
    client_compressed_streaming: Wire((0, COMPRESSED)),
    server_streaming: Wire((0, COMPRESSED), (sum(RESPONSES), 120_000)),
    server_compressed_streaming: Wire((0, COMPRESSED), (92_653, 92_653 + COMPRESSED)),
    ping_pong: Wire(),
    empty_stream: Wire(),
    cancel_after_begin: Wire(),
    cancel_while_sending: Wire(),
    cancel_after_first_response: Wire(),
    timeout_on_sleeping_server: Wire(),
    deadline_is_passed_on: Wire(),
    custom_metadata: Wire(),
    binary_metadata: Wire(),
    status_code_and_message: Wire(),
    every_status: Wire(),
    special_status_message: Wire(),
    unimplemented_method: Wire(),
    unimplemented_service: Wire(),
    concurrent_large_unary: Wire(),
    concurrent_streams: Wire(),
    large_messages_both_ways: Wire(),
    many_small_messages: Wire(),
    rpc_soak: Wire(),
}
