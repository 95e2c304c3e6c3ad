"""The second part of the demo: the same routes over each protocol, a gRPC call that streams, and a WebSocket.

Owns what of this is added to the demo's configuration, what is asked, and how it is shown.
`h2`, `cryptography` and `grpcio` stand for other people's clients; without them this part is left out.
"""

from __future__ import annotations

import contextlib
import copy
import http.client
import importlib.util
import ssl
import tempfile
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferryman.demo import web_socket
from ferryman.demo.probes import PROBES, Probe, wrong_with

if TYPE_CHECKING:
    from ferryman.demo.demo_certificates import DemoCertificates

NEEDED = ("cryptography", "grpc", "h2")
TRANSPORTS = ("HTTP/1.1", "HTTP/2", "TLS HTTP/1.1", "TLS HTTP/2")
MESSAGES = ["hello", "how are you?", "bye"]
CERTIFICATE = Probe(
    route="orders",
    path="/orders/7?show=x-forwarded-client-cert",
    upstreams=("orders-1", "orders-2"),
    seen_path="/v2/7?show=x-forwarded-client-cert",
)
"""What the upstream is told of the client's certificate."""
_TYPES = "type.googleapis.com/envoy.extensions"
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_CALL = "/demo.Chat/Talk"


@dataclass(frozen=True, slots=True)
class Row:
    """A request and how it was answered over each transport; `wrong`: why that is not what must come."""

    title: str
    answers: tuple[str, ...]
    wrong: str


def missing() -> list[str]:
    """Which of the packages are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


class Services:
    """The upstreams of this part, and the certificates."""

    def __init__(self, certificates: DemoCertificates) -> None:
        """Starts them."""
        self.certificates = certificates
        self._live = web_socket.WebSocketService()
        self._chat, self._chat_port = _chat_service()

    def close(self) -> None:
        """Ends them."""
        self._live.close()
        self._chat.stop(None).wait()

    def added_to(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """The configuration with a listener for TLS, and routes to the two services."""
        changed = copy.deepcopy(configuration)
        resources = changed["static_resources"]
        http = next(listener for listener in resources["listeners"] if listener["name"] == "http")
        manager = http["filter_chains"][0]["filters"][0]["typed_config"]
        manager["route_config"]["virtual_hosts"][0]["routes"][:0] = [
            {
                "name": "chat",
                "match": {"prefix": "/demo.Chat/", "grpc": {}},
                "route": {"cluster": "chat", "timeout": "0s"},
            },
            {"name": "live", "match": {"path": "/live"}, "route": {"cluster": "live", "timeout": "0s"}},
        ]
        manager["upgrade_configs"] = [{"upgrade_type": "websocket"}]
        manager.setdefault("http2_protocol_options", {})["allow_connect"] = True
        resources["listeners"].append(self._over_tls(http))
        chat = _cluster("chat", self._chat_port)
        http2: dict[str, Any] = {"explicit_http_config": {"http2_protocol_options": {}}}
        chat["typed_extension_protocol_options"] = {
            _OPTIONS: {"@type": f"type.googleapis.com/{_OPTIONS}", **http2}
        }
        resources["clusters"] += [chat, _cluster("live", self._live.port)]
        return changed

    def _over_tls(self, http: dict[str, Any]) -> dict[str, Any]:
        server, authority = self.certificates.server, self.certificates.authority
        context = {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificates": [
                {
                    "certificate_chain": {"inline_string": server.certificate},
                    "private_key": {"inline_string": server.key},
                }
            ],
            "validation_context": {"trusted_ca": {"inline_string": authority}},
        }
        typed = {
            "@type": f"{_TYPES}.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": context,
            "require_client_certificate": True,
        }
        listener = copy.deepcopy(http)
        listener["name"] = "https"
        listener["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
        chain = listener["filter_chains"][0]
        chain["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": typed}
        chain["filters"][0]["typed_config"] |= {
            "stat_prefix": "front_tls",
            "forward_client_cert_details": "SANITIZE_SET",
            "set_current_client_cert_details": {"subject": True},
        }
        return listener


@contextlib.contextmanager
def services() -> Iterator[Services]:
    """Started services."""
    from ferryman.demo.demo_certificates import DemoCertificates

    with tempfile.TemporaryDirectory() as directory:
        started = Services(DemoCertificates(Path(directory)))
        try:
            yield started
        finally:
            started.close()


def rows(plain: tuple[str, int], tls: tuple[str, int], certificates: DemoCertificates) -> list[Row]:
    """Everything asked of the two listeners."""
    contexts = {"http/1.1": certificates.context("http/1.1"), "h2": certificates.context("h2")}
    with contextlib.ExitStack() as connections:
        asking = [
            _http1(connections, plain, None),
            _http2(connections, plain, None),
            _http1(connections, tls, contexts["http/1.1"]),
            _http2(connections, tls, contexts["h2"]),
        ]
        found = [_ask(probe, asking) for probe in PROBES]
        found.append(_ask_for_certificate(asking))
    found.append(_without_certificate(tls, certificates))
    found.append(_chat(plain, tls, certificates))
    found.append(_live(plain, tls, contexts))
    return found


def as_text(found: list[Row]) -> str:
    """A table."""
    verdicts = [f"NOT AS EXPECTED: {row.wrong}" if row.wrong else "ok" for row in found]
    cells: list[tuple[str, ...]] = [("Request", *TRANSPORTS, "")]
    cells += [(row.title, *row.answers, verdict) for row, verdict in zip(found, verdicts, strict=True)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(TRANSPORTS) + 1)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=True)), line[-1]])
        for line in cells
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


Asking = Callable[[Probe], tuple[int, str, str]]
"""Sends a probe; the status, the body, and why this is not what must come."""


def _http1(
    connections: contextlib.ExitStack, address: tuple[str, int], context: ssl.SSLContext | None
) -> Asking:
    connection = (
        http.client.HTTPSConnection(*address, timeout=10, context=context)
        if context
        else http.client.HTTPConnection(*address, timeout=10)
    )
    connections.callback(connection.close)

    def ask(probe: Probe) -> tuple[int, str, str]:
        connection.request("GET", probe.path, headers=probe.headers)
        response = connection.getresponse()
        body = response.read().decode(errors="replace")
        return response.status, body, wrong_with(probe, response.status, dict(response.headers), body)

    return ask


def _http2(
    connections: contextlib.ExitStack, address: tuple[str, int], context: ssl.SSLContext | None
) -> Asking:
    from ferryman.demo.http2_connection import Http2Connection

    connection = Http2Connection(address, context)
    connections.callback(connection.close)

    def ask(probe: Probe) -> tuple[int, str, str]:
        answer = connection.get(probe.path, probe.headers)
        body = answer.body.decode(errors="replace")
        return answer.status, body, wrong_with(probe, answer.status, answer.headers, body)

    return ask


def _ask(probe: Probe, asking: list[Asking]) -> Row:
    answers, wrong = [], []
    for transport, ask in zip(TRANSPORTS, asking, strict=True):
        try:
            status, _, reason = ask(probe)
        except (OSError, http.client.HTTPException) as error:
            status, reason = 0, f"{type(error).__name__}: {error}"
        answers.append(str(status or "–"))
        if reason:
            wrong.append(f"{transport}: {reason}")
    return Row(probe.title, tuple(answers), "; ".join(wrong))


def _ask_for_certificate(asking: list[Asking]) -> Row:
    wanted = 'Subject="CN=demo-client"'
    answers, wrong = ["", ""], []
    for transport, ask in list(zip(TRANSPORTS, asking, strict=True))[2:]:
        _, body, reason = ask(CERTIFICATE)
        answers.append("CN=demo-client" if wanted in body else "–")
        if reason or wanted not in body:
            wrong.append(f"{transport}: {reason or body!r}")
    return Row("the client's certificate, as orders sees it", tuple(answers), "; ".join(wrong))


def _without_certificate(tls: tuple[str, int], certificates: DemoCertificates) -> Row:
    """In TLS 1.3 the client knows that it is refused when it reads."""
    context = certificates.context("http/1.1", with_certificate=False)
    connection = http.client.HTTPSConnection(*tls, timeout=10, context=context)
    wrong = ""
    try:
        connection.request("GET", "/ping")
        wrong = f"answered {connection.getresponse().status}"
    except ssl.SSLError:
        pass
    except (OSError, http.client.HTTPException) as error:
        wrong = f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return Row("GET /ping without a certificate", ("", "", "–" if wrong else "refused", ""), wrong)


def _chat_service() -> tuple[Any, int]:
    import grpc

    def talk(requests: Iterator[bytes], _: Any) -> Iterator[bytes]:
        for message in requests:
            yield b"you said: " + message

    server = grpc.server(futures.ThreadPoolExecutor(4))
    handler = grpc.stream_stream_rpc_method_handler(talk)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("demo.Chat", {"Talk": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def _chat(plain: tuple[str, int], tls: tuple[str, int], certificates: DemoCertificates) -> Row:
    import grpc

    client = certificates.client
    credentials = grpc.ssl_channel_credentials(
        certificates.authority.encode(), client.key.encode(), client.certificate.encode()
    )
    talks = []
    for channel in (
        grpc.insecure_channel(f"{plain[0]}:{plain[1]}"),
        grpc.secure_channel(f"{tls[0]}:{tls[1]}", credentials),
    ):
        with channel:
            talks.append(_told(lambda channel=channel: _talk(channel)))  # type: ignore[misc]
    answers = ("", "–" if talks[0] else "OK", "", "–" if talks[1] else "OK")
    return Row("gRPC demo.Chat/Talk, 3 messages in turn", answers, "; ".join(filter(None, talks)))


def _talk(channel: Any) -> str:
    """Each message is sent when the answer to the one before has come."""
    import queue

    import grpc

    sent: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    call = channel.stream_stream(_CALL)(iter(sent.get, None), timeout=10)
    try:
        for message in MESSAGES:
            sent.put(message.encode())
            if (answer := next(call)) != b"you said: " + message.encode():
                return f"{message!r} was answered {answer!r}"
        sent.put(None)
        return "" if list(call) == [] else "there is more than was asked for"
    except grpc.RpcError as error:
        return str(error)
    finally:
        sent.put(None)


def _live(plain: tuple[str, int], tls: tuple[str, int], contexts: dict[str, ssl.SSLContext]) -> Row:
    asking = [
        (web_socket.echo, plain, None),
        (web_socket.echo_over_http2, plain, None),
        (web_socket.echo, tls, contexts["http/1.1"]),
        (web_socket.echo_over_http2, tls, contexts["h2"]),
    ]
    talks = [
        _told(lambda echo=echo, to=to, context=context: echo(to, "/live", MESSAGES, context))  # type: ignore[misc]
        for echo, to, context in asking
    ]
    wrong = "; ".join(
        f"{transport}: {talk}" for transport, talk in zip(TRANSPORTS, talks, strict=True) if talk
    )
    answers = tuple("–" if talk else "echoed" for talk in talks)
    return Row(f"WebSocket /live, {len(MESSAGES)} messages", answers, wrong)


def _told(talk: Callable[[], str]) -> str:
    try:
        return talk()
    except OSError as error:
        return f"{type(error).__name__}: {error}"


def _cluster(name: str, port: int) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {
        "name": name,
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }
