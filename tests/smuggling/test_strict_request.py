"""The judge itself: what it takes and what it does not."""

from __future__ import annotations

import pytest

from smuggling.strict_request import Ambiguous, CutShort, parse_only_request

HEAD = b"POST /a HTTP/1.1\r\nHost: h\r\n"


@pytest.mark.parametrize(
    ("data", "framing", "body"),
    [
        (HEAD + b"\r\n", "none", b""),
        (HEAD + b"Content-Length: 2\r\n\r\nok", "content-length", b"ok"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "chunked", b"ok"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\n", "chunked", b""),
    ],
)
def test_takes(data: bytes, framing: str, body: bytes) -> None:
    request = parse_only_request(data)
    assert (request.framing, request.body) == (framing, body)


@pytest.mark.parametrize(
    "data",
    [
        b"POST /a HTTP/1.1\r\n\r\n",
        HEAD + b"\r\nmore",
        HEAD + b"Content-Length: 1\r\n\r\nok",
        HEAD + b"Content-Length: +2\r\n\r\nok",
        HEAD + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nTransfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
        HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"X: a\rb\r\n\r\n",
        HEAD + b"X: a\nb\r\n\r\n",
        HEAD + b"X: a\r\n b\r\n\r\n",
        HEAD + b"X: \x00\r\n\r\n",
        HEAD + b"Host: other\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n",
    ],
)
def test_refuses(data: bytes) -> None:
    with pytest.raises(Ambiguous):
        parse_only_request(data)


@pytest.mark.parametrize(
    "data",
    [
        HEAD,
        HEAD + b"Content-Length: 3\r\n\r\nok",
        HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\no",
        HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n",
    ],
)
def test_knows_half_a_request(data: bytes) -> None:
    with pytest.raises(CutShort):
        parse_only_request(data)
