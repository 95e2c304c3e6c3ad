"""Every case of `translations` towards a host of HTTP/2: none reaches it so that a next hop could misread it.

What came there is judged here, field by field, by RFC 9113 section 8, without the codecs under test; and it
has to say what the stream said: the same method, path, authority and body.
"""

from __future__ import annotations

import re
import socket
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import hpack
import pytest
from conformance.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Connection,
    block,
    frame,
    setting,
)
from harness.proxy_process import ProxyProcess

from smuggling.test_translations import configuration, disguised, stream
from smuggling.translations import Field, Translation, cases

NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
BAD_IN_VALUES = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$")
HOP_BY_HOP = (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"host")
PSEUDO = (b":method", b":scheme", b":authority", b":path", b":protocol")


@dataclass
class Seen:
    """A request as it came."""

    fields: list[Field] = field(default_factory=list)
    trailers: list[Field] = field(default_factory=list)
    body: bytes = b""
    ended: bool = False


class Host:
    """Answers each stream at its head, and keeps all that comes."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = int(self._listener.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._seen: list[Seen] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def all(self) -> list[Seen]:
        """What came on every stream, once the proxy has ended."""
        for thread in self._threads:
            thread.join(10)
        return self._seen

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                connection.sendall(frame(SETTINGS, 0, 0, setting(8, 1)))
                assert reader.read(len(PREFACE)) == PREFACE
                self._frames(connection, reader)
            except OSError:
                return

    def _frames(self, connection: socket.socket, reader: Any) -> None:
        decoder, head, ends = hpack.Decoder(), b"", False
        streams: dict[int, Seen] = {}
        while len(start := reader.read(9)) == 9:
            payload = reader.read(int.from_bytes(start[:3], "big"))
            kind, flags, number = start[3], start[4], int.from_bytes(start[5:], "big")
            if kind == SETTINGS and not flags:
                connection.sendall(frame(SETTINGS, 1, 0))
            elif kind in (HEADERS, CONTINUATION):
                head += payload
                ends = bool(flags & END_STREAM) if kind == HEADERS else ends
                if flags & END_HEADERS:
                    pairs = decoder.decode(head, raw=True)
                    fields = [(bytes(pair[0]), bytes(pair[1])) for pair in pairs]  # type: ignore[arg-type]
                    head = b""
                    if number in streams:
                        streams[number].trailers = fields
                    else:
                        streams[number] = Seen(fields)
                        self._seen.append(streams[number])
                    self._end(connection, streams[number], number, ends)
            elif kind == DATA:
                streams[number].body += payload
                self._end(connection, streams[number], number, bool(flags & END_STREAM))

    def _end(self, connection: socket.socket, seen: Seen, number: int, ends: bool) -> None:
        tunnel = (b":method", b"CONNECT") in seen.fields
        if (ends or tunnel) and not seen.ended:
            seen.ended = True
            said = block(((":status", "403"), ("content-length", "0")))
            connection.sendall(frame(HEADERS, END_HEADERS | END_STREAM, number, said))


def complaint(case: Translation, seen: Seen) -> str:
    """What is wrong with what came of a case; empty if nothing is."""
    said = dict(case.fields)
    pseudo = [name for name, _ in seen.fields if name.startswith(b":")]
    if [name for name, _ in seen.fields[: len(pseudo)]] != pseudo or len(set(pseudo)) != len(pseudo):
        return "pseudo-headers behind fields, or twice"
    for name, value in seen.fields[len(pseudo) :] + seen.trailers:
        if not NAME.fullmatch(name) or name in HOP_BY_HOP or (name == b"te" and value != b"trailers"):
            return f"a field {name!r}"
        if BAD_IN_VALUES.search(value):
            return f"a value {value!r}"
    came = dict(seen.fields)
    if not set(pseudo) <= set(PSEUDO) or any(BAD_IN_VALUES.search(came[name]) for name in pseudo):
        return "a pseudo-header"
    if came.get(b":method") != said.get(b":method"):
        return "another method"
    if came.get(b":authority") != said.get(b":authority", said.get(b"host", b"")).strip():
        return "another authority"
    if b":path" in came and (came[b":path"] != said.get(b":path") or b"#" in came[b":path"]):
        return "another path"
    tunnel = came[b":method"] == b"CONNECT"
    if seen.ended and not tunnel:
        lengths = [value for name, value in seen.fields if name == b"content-length"]
        # A length of 0 ends the request at once; the body that came nevertheless is not passed on.
        whole = b"" if lengths == [b"0"] else b"".join(case.data)
        if lengths not in ([], [b"%d" % len(seen.body)]) or seen.body != whole:
            return f"another body, lengths {lengths}"
    return ""


def towards_http2(port: int) -> dict[str, Any]:
    made = configuration(port)
    options = made["static_resources"]["clusters"][0]["typed_extension_protocol_options"]
    for protocol in options.values():
        protocol["explicit_http_config"] = {"http2_protocol_options": {}}
    return made


@pytest.mark.parametrize("made", [cases, disguised])
def test_nothing_ambiguous_is_forwarded(made: Any, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    listed: list[Translation] = made()
    host = Host()
    process = ProxyProcess(request.config.getoption("--proxy"), towards_http2(host.port), tmp_path, [])
    try:
        port = int(process.listeners()["main"][1])
        for number, case in enumerate(listed):
            marked = replace(case, fields=(*case.fields, (b"x-case", b"%d" % number)))
            with Connection(port, tls=False) as connection:
                connection.send(stream(marked))
                while (came := connection.next()) is not None:
                    ends = came.kind in (HEADERS, DATA) and came.flags & END_STREAM
                    if ends or came.kind in (GOAWAY, RST_STREAM):
                        break
        assert process.process.poll() is None
    finally:
        process.stop()
        host.close()
    found, forwarded = [], set()
    for seen in host.all():
        marks = [value for name, value in seen.fields if name == b"x-case"]
        if len(marks) != 1 or not marks[0].isdigit():
            found.append(f"no mark: {seen}")
            continue
        case = listed[int(marks[0])]
        found += [f"{case.name}: a second request"] if case.name in forwarded else []
        forwarded.add(case.name)
        if why := complaint(case, seen):
            found.append(f"{case.name}: {why}: {seen}")
    assert not found, f"{len(found)} of {len(listed)}\n" + "\n".join(found[:40])
    assert len(listed) >= 500
    # A proxy that refuses everything would pass as well.
    assert {case.name for case in listed if case.name.startswith("plain")} <= forwarded
    print(f"{len(forwarded)} of {len(listed)} were forwarded")
