"""Requests in HTTP/2 that could become another message, or two, when they are written as HTTP/1.1.

Owns: the cases, made from families of names, values and frames. Says nothing about what becomes of them.
Follows RFC 9113 (8.2, 8.3, 8.5, 10.3) and RFC 9112 (2.2, 5, 6, 11.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Field = tuple[bytes, bytes]
HEAD: tuple[Field, ...] = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":authority", b"h.test"),
    (b":path", b"/first"),
)
SECOND = b"GET /second HTTP/1.1\r\nhost: h.test\r\n\r\n"
TCHAR = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Translation:
    """One stream: its fields, its DATA frames, and its trailers. It always ends."""

    name: str
    fields: tuple[Field, ...]
    data: tuple[bytes, ...] = ()
    trailers: tuple[Field, ...] = ()


def replaced(name: bytes, *values: bytes) -> tuple[Field, ...]:
    """The usual head with these values in the place of one; none leaves it out."""
    head: list[Field] = []
    for field in HEAD:
        head += [field] if field[0] != name else [(name, value) for value in values]
    return tuple(head)


def cases() -> list[Translation]:
    """All of them, each with a name of its own."""
    families = (
        _plain, _pseudo_headers, _control_bytes, _injections, _names, _lengths, _encodings,
        _connection_class, _upgrades, _paths, _authorities, _methods, _trailers,
    )  # fmt: skip
    found = [case for family in families for case in family()]
    assert len({case.name for case in found}) == len(found)
    return found


def _plain() -> Iterator[Translation]:
    """What has to get through: without these a proxy that refuses everything would pass."""
    yield Translation("plain: no body", HEAD)
    yield Translation("plain: a body", HEAD, (b"hello",))
    yield Translation("plain: a body in pieces", HEAD, (b"he", b"", b"llo"))
    yield Translation("plain: a body with its length", (*HEAD, (b"content-length", b"5")), (b"hello",))
    yield Translation("plain: a body that is a request", HEAD, (SECOND,))
    yield Translation("plain: a body that is a last chunk", HEAD, (b"0\r\n\r\n" + SECOND,))
    yield Translation("plain: trailers", HEAD, (b"hello",), ((b"x-t", b"1"),))
    yield Translation("plain: crumbs", (*HEAD, (b"cookie", b"a=1"), (b"cookie", b"b=2")))
    yield Translation("plain: host alone", (*replaced(b":authority"), (b"host", b"h.test")))


def _pseudo_headers() -> Iterator[Translation]:
    for name, value in HEAD:
        key = f"pseudo {name.decode()}"
        yield Translation(f"{key}: missing", replaced(name))
        yield Translation(f"{key}: empty", replaced(name, b""))
        yield Translation(f"{key}: twice the same", replaced(name, value, value))
        yield Translation(f"{key}: two", replaced(name, value, b"/second"))
        yield Translation(f"{key}: last", (*replaced(name), (b"x-a", b"1"), (name, value)))
        yield Translation(f"{key}: again behind fields", (*HEAD, (b"x-a", b"1"), (name, value)))
        yield Translation(f"{key}: in upper case", (*replaced(name), (name.upper(), value)))
        for odd in (b" " + name, name + b" ", b":" + name, name[1:], name + b":", b"\t" + name, name + b"\0"):
            yield Translation(f"{key}: as {odd!r}", (*replaced(name), (odd, value)))
            yield Translation(f"{key}: and {odd!r}", (*HEAD, (odd, b"/second")))
    for name in (
        b":",
        b":host",
        b":status",
        b":protocol",
        b":version",
        b":cookie",
        b":content-length",
        b":\r\nx",
    ):
        yield Translation(f"pseudo: {name!r} behind", (*HEAD, (name, b"1")))
        yield Translation(f"pseudo: {name!r} before", ((name, b"1"), *HEAD))


def _control_bytes() -> Iterator[Translation]:
    for number in (*range(32), 127):
        byte = bytes([number])
        for place in (b":method", b":scheme", b":authority", b":path", b"x-a", b"cookie", b"host"):
            before = dict(HEAD).get(place, b"h.test")
            for where, value in (("within", before + byte + b"x"), ("after", before + byte)):
                fields = replaced(place, value) if place[:1] == b":" else (*HEAD, (place, value))
                yield Translation(f"byte {number} {where} {place.decode()}", fields)


def _injections() -> Iterator[Translation]:
    for end in (
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"\r\n ",
        b"\n\t",
        b"\xe5\x98\x8a\xe5\x98\x8d",
        b"\x85",
        b"\x0b",
        b"\x0c",
    ):
        injected = {
            "a field": end + b"x-b: 1",
            "a length": end + b"content-length: 0",
            "chunks": end + b"transfer-encoding: chunked",
            "an end": end + end + SECOND,
            "a fold": end + b" x",
        }
        for what, more in injected.items():
            for place, value in (
                *HEAD,
                (b"x-a", b"1"),
                (b"cookie", b"a=1"),
                (b"host", b"h.test"),
                (b"te", b"trailers"),
            ):
                fields = (
                    replaced(place, value + more) if place[:1] == b":" else (*HEAD, (place, value + more)),
                )
                yield Translation(f"{what} by {end!r} in {place.decode()}", fields, (b"hello",))
            yield Translation(f"{what} by {end!r} in a name", (*HEAD, (b"x-a: 1" + more, b"1")), (b"hello",))
            yield Translation(f"{what} by {end!r} in a trailer", HEAD, (b"hello",), ((b"x-a", b"1" + more),))


def _names() -> Iterator[Translation]:
    for number in range(256):
        byte = bytes([number])
        if byte in TCHAR:
            continue
        yield Translation(f"name with byte {number}", (*HEAD, (b"x" + byte + b"a", b"1")))
    for name in (
        b"",
        b" ",
        b"x-a ",
        b" x-a",
        b"x-a:",
        b"x-a: 1\r\n",
        b"content_length",
        b"transfer_encoding",
        b"x_a",
    ):
        yield Translation(f"name {name!r}", (*HEAD, (name, b"1")), (b"hello",))


def _lengths() -> Iterator[Translation]:
    values = (
        b"0", b"4", b"5", b"6", b"05", b"005", b"+5", b"-5", b"-0", b"5 ", b" 5", b"\t5", b"5\x0b", b"5,5",
        b"5, 5", b"5,6", b"6,5", b"5;5", b"0x5", b"5.0", b"5e0", b"5_0", b"1_0", b"", b" ", b"five", b"5\0",
        b"5\r\n", b"5a", b"\xc2\xb2", b"\xd9\xa5", b"18446744073709551615", b"18446744073709551616",
        b"18446744073709551621", b"9223372036854775808", b"4294967301", b"99999999999999999999999999",
        b"0" * 40 + b"5", b"infinity", b"5%",
    )  # fmt: skip
    for value in values:
        fields = (*HEAD, (b"content-length", value))
        yield Translation(f"length {value!r} of five", fields, (b"hello",))
        yield Translation(f"length {value!r} in two pieces", fields, (b"he", b"llo"))
        yield Translation(f"length {value!r} of none", fields)
        yield Translation(f"length {value!r} with trailers", fields, (b"hello",), ((b"x-t", b"1"),))
    for first in (b"5", b"0", b"6"):
        for second in (b"5", b"05", b"6", b"", b"chunked"):
            fields = (*HEAD, (b"content-length", first), (b"content-length", second))
            yield Translation(f"lengths {first!r} and {second!r}", fields, (b"hello",))
    names = (
        b"Content-Length", b"content-length ", b" content-length", b"content-length:", b"content--length",
        b"content_length", b"content.length", b"content-length\0", b"content-length\t", b"content-lengt\xe8",
        b"x\ncontent-length", b"content-length\r",
    )  # fmt: skip
    for name in names:
        yield Translation(f"length by the name {name!r}", (*HEAD, (name, b"0")), (SECOND,))
    for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS", b"TRACE"):
        fields = replaced(b":method", method)
        yield Translation(f"a body of {method.decode()}", fields, (SECOND,))
        length = (b"content-length", str(len(SECOND)).encode())
        yield Translation(f"a body of {method.decode()} with its length", (*fields, length), (SECOND,))
        yield Translation(f"an empty body of {method.decode()}", fields, (b"",))


def _encodings() -> Iterator[Translation]:
    values = (
        b"chunked", b"Chunked", b"CHUNKED", b" chunked", b"chunked ", b"\tchunked", b"chunked\x0b",
        b"x chunked", b"xchunked", b"chunked, identity", b"identity, chunked", b"identity",
        b"gzip, chunked", b"chunked, chunked", b"chunked;q=1", b'"chunked"', b"chunked\0", b"chunked\r\n",
        b"\nchunked", b"", b"trailers", b"gzip", b"cow", b"chun\xe7ed",
    )  # fmt: skip
    names = (
        b"transfer-encoding", b"Transfer-Encoding", b"TRANSFER-ENCODING", b"transfer_encoding",
        b"transfer-encoding ", b" transfer-encoding", b"transfer-encoding:", b"transfer-encoding\t",
        b"transfer\x00-encoding", b"transfer encoding", b"x\r\ntransfer-encoding", b"transfer.encoding",
        b"transfer-\xc5\xbfncoding", b"transfer-encodin\xe7", b"te",
    )  # fmt: skip
    for name in names:
        for value in values if name in (b"transfer-encoding", b"te", b"transfer_encoding") else values[:3]:
            field = (name, value)
            yield Translation(f"encoding {name!r} {value!r}", (*HEAD, field), (b"0\r\n\r\n" + SECOND,))
            length = (b"content-length", b"5")
            yield Translation(
                f"encoding {name!r} {value!r} and a length", (*HEAD, length, field), (b"hello",)
            )


def _connection_class() -> Iterator[Translation]:
    for name in (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"upgrade",
        b"http2-settings",
        b"proxy-authenticate",
    ):
        for value in (
            b"close",
            b"keep-alive",
            b"upgrade",
            b"x-a",
            b"content-length",
            b"host",
            b"te, trailers",
            b"",
            b"h2c",
        ):
            yield Translation(
                f"{name.decode()}: {value!r}", (*HEAD, (name, value), (b"x-a", b"1")), (b"hello",)
            )
    for name in (
        b"Connection",
        b"connection ",
        b"connectio\xee",
        b"keep_alive",
        b"x-connection",
        b"trailer",
        b"expect",
    ):
        yield Translation(f"nearly connection: {name!r}", (*HEAD, (name, b"content-length")), (b"hello",))


def _upgrades() -> Iterator[Translation]:
    upgrade = ((b"connection", b"upgrade"), (b"upgrade", b"websocket"))
    for method in (b"GET", b"POST", b"CONNECT"):
        fields = replaced(b":method", method)
        yield Translation(f"{method.decode()} with upgrade", (*fields, *upgrade), (SECOND,))
        for protocol in (
            b"websocket",
            b"WebSocket",
            b"",
            b"h2c",
            b"web socket",
            b"websocket\r\nx: y",
            b"http/1.1",
            b"a,b",
        ):
            with_protocol = (fields[0], (b":protocol", protocol), *fields[1:])
            yield Translation(f"{method.decode()} with :protocol {protocol!r}", with_protocol)
            yield Translation(
                f"{method.decode()} with :protocol {protocol!r} and data", with_protocol, (SECOND,)
            )
            more = (b"content-length", b"5")
            yield Translation(
                f"{method.decode()} with :protocol {protocol!r} and a length",
                (*with_protocol, more),
                (b"hello",),
            )
            twice = (*with_protocol, (b"upgrade", b"h2c"))
            yield Translation(f"{method.decode()} with :protocol {protocol!r} and upgrade", twice)
    for target in (
        b"h.test",
        b"h.test:443",
        b"h.test:x",
        b"h.test/first",
        b"http://h.test/",
        b"u@h.test:443",
        b"",
        b"/first",
    ):
        connect = ((b":method", b"CONNECT"), (b":authority", target))
        yield Translation(f"CONNECT to {target!r}", connect, (SECOND,))
        yield Translation(f"CONNECT to {target!r} with a path", (*connect, (b":path", b"/first")), (SECOND,))
        yield Translation(
            f"CONNECT to {target!r} with a length", (*connect, (b"content-length", b"0")), (SECOND,)
        )
        yield Translation(
            f"CONNECT to {target!r} and a host", (*connect, (b"host", b"other.test")), (SECOND,)
        )


def _paths() -> Iterator[Translation]:
    paths = (
        b"first", b"*", b"", b"?", b"?a", b"//", b"//other.test/first", b"/a b", b"/ HTTP/1.1",
        b"/first HTTP/1.1\r\nx: y", b"/a#b", b"#", b"/#", b"/a?b#c", b"/%23", b"/%00", b"/%0d%0ax: y",
        b"/%20HTTP/1.1", b"/a\\b", b"\\a", b"/a\tb", b"http://other.test/first", b"http://h.test/first",
        b"https://h.test", b"HTTP://h.test/", b"ftp://h.test/", b"h.test:80", b"other.test:443", b"/\x80",
        b"/\xff", b"/\xc3\xa9", b"/;a=b", b"/a/../b", b"/a/./b", b"/..", b"/%2e%2e/", b"/%2f", b"/a/",
        b"/\x7f", b"/<>", b'/"', b"/{}", b"/^`|", b"/@", b"/:", b"@other.test", b"/first?x=y z",
        b"/first?\0", b"/a\xe2\x80\xa8b", b"/" + b"a" * 5000, b" /first", b"/first ", b"\x00/first",
        b"/first\r", b"GET /second HTTP/1.1",
    )  # fmt: skip
    for path in paths:
        yield Translation(f"path {path[:40]!r}", replaced(b":path", path))
        options = tuple(
            (name, b"OPTIONS" if name == b":method" else value) for name, value in replaced(b":path", path)
        )
        yield Translation(f"path {path[:40]!r} of OPTIONS", options)


def _authorities() -> Iterator[Translation]:
    values = (
        b"", b"h.test:80", b"h.test:", b"h.test:x", b"h.test:99999", b"h.test:80:80", b"h.test,other.test",
        b"h.test other.test", b"u@h.test", b"u:p@h.test", b"@h.test", b"h.test@other.test",
        b"h.test#@other.test", b"h.test/first", b"h.test?x", b"h.test\\other.test", b"http://h.test",
        b"[::1]", b"[::1]:80", b"[::1", b"::1", b"[h.test]", b"h.test%00", b"H.TEST", b"h.test.",
        b".h.test", b"h..test", b"h_.test", b"\xe9.test", b"h.test\xa0", b" h.test", b"h.test ",
        b"h.test\t", b"*", b'"h.test"', b"h.test;x", b"<h.test>", b"h.test|x", b"127.1", b"0x7f000001",
        b"h.test:080", b"h.test:+80", b"h.test:-1",
    )  # fmt: skip
    for value in values:
        yield Translation(f"authority {value!r}", replaced(b":authority", value))
        yield Translation(f"host {value!r}", (*replaced(b":authority"), (b"host", value)))
        yield Translation(f"authority and host {value!r}", (*HEAD, (b"host", value)))
    two = ((b"host", b"h.test"), (b"host", b"other.test"))
    yield Translation("two hosts", (*replaced(b":authority"), *two))
    yield Translation("two hosts and an authority", (*HEAD, *two))
    yield Translation("the same host twice", (*replaced(b":authority"), two[0], two[0]))
    for name in (b"Host", b"host ", b" host", b"host:", b"ho\x73t\0", b"x-forwarded-host", b"h\xf6st"):
        yield Translation(f"host as {name!r}", (*HEAD, (name, b"other.test")))


def _methods() -> Iterator[Translation]:
    methods = (
        b"get", b"Post", b"GET ", b" GET", b"GET\t", b"G ET", b"GET /second HTTP/1.1\r\nx:", b"GET,POST",
        b"G\xe9T", b"G(T", b"G@T", b"PRI", b"BREW", b"M-SEARCH", b"!#$%&'*+-.^_`|~", b"G/T", b"G:T", b"G=T",
        b"G{T", b"G\\T", b'"GET"', b"A" * 300, b"\0", b"GET\0", b"TRACE", b"HTTP/1.1",
    )  # fmt: skip
    for method in methods:
        yield Translation(f"method {method[:40]!r}", replaced(b":method", method))
        yield Translation(f"method {method[:40]!r} with a body", replaced(b":method", method), (SECOND,))
    for scheme in (
        b"https",
        b"HTTP",
        b"ftp",
        b"http ",
        b"h t",
        b"http://",
        b"http:",
        b"javascript",
        b"1http",
        b"\xe9",
    ):
        yield Translation(f"scheme {scheme!r}", replaced(b":scheme", scheme))


def _trailers() -> Iterator[Translation]:
    fields = (
        *HEAD, (b":status", b"200"), (b"content-length", b"5"), (b"content-length", b"0"),
        (b"transfer-encoding", b"chunked"), (b"transfer_encoding", b"chunked"), (b"host", b"other.test"),
        (b"connection", b"close"), (b"keep-alive", b"1"), (b"te", b"trailers"), (b"trailer", b"x"),
        (b"upgrade", b"h2c"), (b"expect", b"100-continue"), (b"authorization", b"x"),
        (b"content-encoding", b"gzip"), (b"content-type", b"x"), (b"content-range", b"x"),
        (b"cookie", b"a=1"), (b"x-forwarded-for", b"1"), (b"X-T", b"1"), (b"", b"1"), (b"x t", b"1"),
        (b"x:t", b"1"), (b"x_t", b"1"), (b"x-t", b"1\r\n\r\n" + SECOND), (b"x-t", b"\0"),
        (b"x-t", b"1\r\n x"), (b"x-t\r\n\r\n", b"1"), (b"cache-control", b"x"), (b"max-forwards", b"1"),
        (b"set-cookie", b"x"),
    )  # fmt: skip
    for name, value in fields:
        yield Translation(f"trailer {name!r} {value!r}", HEAD, (b"hello",), ((name, value),))
        yield Translation(f"trailer {name!r} {value!r} without a body", HEAD, (), ((name, value),))
        length = (*HEAD, (b"content-length", b"5"))
        yield Translation(f"trailer {name!r} {value!r} and a length", length, (b"hello",), ((name, value),))
