"""JA3 and JA4 of first messages, byte for byte the same ones to both proxies."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any

from harness.proxy_process import ProxyProcess

TYPE = "type.googleapis.com/envoy.extensions."
LIMIT_S = 10


def prefixed(content: bytes, *, by: str = "H") -> bytes:
    return struct.pack(f">{by}", len(content)) + content


def numbers(*values: int) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


def extension(kind: int, content: bytes = b"") -> bytes:
    return numbers(kind) + prefixed(content)


def protocols(*names: bytes) -> bytes:
    return extension(16, prefixed(b"".join(prefixed(name, by="B") for name in names)))


def curves(*values: int) -> bytes:
    return extension(10, prefixed(numbers(*values)))


def point_formats(*values: int) -> bytes:
    return extension(11, prefixed(bytes(values), by="B"))


def signatures(*values: int) -> bytes:
    return extension(13, prefixed(numbers(*values)))


def versions(*values: int) -> bytes:
    return extension(43, prefixed(numbers(*values), by="B"))


def hello(ciphers: list[int], *extensions: bytes, version: int = 0x303, bare: bool = False) -> bytes:
    body = numbers(version) + bytes(32) + b"\0" + prefixed(numbers(*ciphers)) + b"\1\0"
    if not bare:
        body += prefixed(b"".join(extensions))
    return b"\x16\x03\x01" + prefixed(b"\1" + struct.pack(">I", len(body))[1:] + body)


NAME = extension(0, prefixed(b"\0" + prefixed(b"a.test")))
HELLOS = {
    "usual": hello(
        [0x1301, 0xC02F, 0xC02B], NAME, protocols(b"h2", b"http/1.1"), curves(29, 23), point_formats(0),
        signatures(0x403, 0x804), versions(0x304, 0x303),
    ),
    "made-up values": hello(
        [0x0A0A, 0x1301, 0xC02F], extension(0x1A1A), NAME, curves(0x2A2A, 29, 23), point_formats(0, 1),
        signatures(0x804, 0x403), versions(0x3A3A, 0x304), extension(0x4A4A, b"\0"),
    ),
    "nothing but made-up values": hello([0x0A0A], extension(0x1A1A)),
    "no extensions": hello([0xC02F], bare=True),
    "an empty list of extensions": hello([0xC02F]),
    "no name": hello([0xC02F, 0x2F], curves(23), point_formats(0)),
    "a protocol of one letter": hello([0xC02F], protocols(b"x"), curves(23)),
    "a protocol without letters": hello([0xC02F], protocols(b"\xab\xcd"), curves(23)),
    "a protocol that ends without a letter": hello([0xC02F], protocols(b"h\xcd"), curves(23)),
    "a made-up protocol": hello([0xC02F], protocols(b"\x0a\x0a", b"h2"), curves(23)),
    "dashes": hello([0xC02F], protocols(b"-x-")),
    "tls 1.1": hello([0xC02F], curves(23), version=0x302),
    "tls 1.0": hello([0xC02F], curves(23), version=0x301),
    "unknown versions": hello([0xC02F], versions(0x7F1C, 0x305)),
    "versions out of order": hello([0xC02F], versions(0x301, 0x303, 0x302)),
    "broken versions": hello([1], extension(43, b"\5\3\4")),
    "empty versions": hello([1], extension(43)),
    "name and protocols alone": hello([0xC02F], NAME, protocols(b"h2")),
    "signatures alone": hello([0xC02F], NAME, signatures(0x403)),
    "a made-up signature": hello([0xC02F], NAME, signatures(0x403, 0x0A0A)),
    "broken signatures": hello([1], extension(13, b"\0\5\0")),
    "half a signature": hello([1], extension(13, b"\0\3\4\3\4")),
    "many cipher suites": hello(list(range(1, 121)), NAME),
    "many extensions": hello([0xC02F], *(extension(60000 + number) for number in range(110))),
    "a cipher suite twice": hello([0xC02F, 0xC02F, 5], extension(60000), curves(5, 6)),
    "almost made up": hello([0x0A1A, 0x1A0A], curves(0x0A1A)),
    "no cipher suite at all, as it were": hello([0xFF, 0x5600, 1], curves()),
    "broken curves": hello([1], extension(10, b"\0\5\0")),
    "half a curve": hello([1], extension(10, b"\0\3\4\3\4")),
    "curves behind the list": hello([1], extension(10, b"\0\2\0\x17\0\x18")),
    "broken point formats": hello([1], extension(11, b"\5\0")),
}  # fmt: skip


def configuration(log: Path) -> dict[str, Any]:
    """What it receives it sends back, in the clear."""
    line = "%DOWNSTREAM_REMOTE_PORT% %TLS_JA3_FINGERPRINT% %TLS_JA4_FINGERPRINT%\n"
    both = {"enable_ja3_fingerprinting": True, "enable_ja4_fingerprinting": True}
    inspectors = {"both": both, "ja3": {"enable_ja3_fingerprinting": True}, "neither": {}}

    def listener(name: str, asked: dict[str, Any]) -> dict[str, Any]:
        access_log = {
            "@type": f"{TYPE}access_loggers.file.v3.FileAccessLog",
            "path": str(log / name),
            "log_format": {"text_format_source": {"inline_string": line}},
        }
        inspector = {"@type": f"{TYPE}filters.listener.tls_inspector.v3.TlsInspector", **asked}
        echo = {"@type": f"{TYPE}filters.network.echo.v3.Echo"}
        return {
            "name": name,
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "listener_filters": [{"name": "tls", "typed_config": inspector}],
            "access_log": [{"name": "file", "typed_config": access_log}],
            "filter_chains": [{"filters": [{"name": "echo", "typed_config": echo}]}],
        }

    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"listeners": [listener(name, asked) for name, asked in inspectors.items()]},
    }


def greet(address: Any, sent: bytes) -> str:
    """The port that it came from: by that its line is found."""
    with socket.create_connection(address, timeout=LIMIT_S) as client:
        client.sendall(sent)
        assert client.recv(len(sent), socket.MSG_WAITALL) == sent
        client.shutdown(socket.SHUT_WR)
        assert not client.recv(1)
        return str(client.getsockname()[1])


def fingerprints(which: str, directory: Path) -> tuple[dict[tuple[str, str], list[str]], dict[str, int]]:
    """What the logs say, by listener and name of the message; and the inspector's statistics."""
    log = directory / which
    log.mkdir()
    proxy = ProxyProcess(which, configuration(log), directory, [])
    addresses = proxy.listeners()
    try:
        ports = {
            (listener, name): greet(address, sent)
            for listener, address in addresses.items()
            for name, sent in HELLOS.items()
        }
        stats = proxy.stats("tls_inspector")
    finally:
        proxy.stop()
    lines = {
        (listener, line.split()[0]): line.split()[1:]
        for listener in addresses
        for line in (log / listener).read_text().splitlines()
    }
    return {(listener, name): lines[listener, port] for (listener, name), port in ports.items()}, stats


def test_fingerprints(tmp_path: Path) -> None:
    (envoy, envoy_stats), (ferryman, stats) = (
        fingerprints(which, tmp_path) for which in ("envoy", "ferryman")
    )
    assert ferryman == envoy
    assert stats == envoy_stats
    assert envoy["ja3", "usual"] == [envoy["both", "usual"][0], "-"]
    assert envoy["neither", "usual"] == ["-", "-"]
