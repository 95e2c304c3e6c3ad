"""`%FILE_CONTENT%` of files that change: when they are read again, as with the real Envoy."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from harness.proxy_process import ProxyProcess

pytestmark = pytest.mark.oracle
TYPE = "type.googleapis.com/envoy.extensions."
LIMIT_S = 10


def configuration(operator: str) -> dict[str, Any]:
    """A listener that answers with what the operator prints."""
    body = {
        "text_format_source": {"inline_string": f"<{operator}>"},
        "formatters": [
            {"name": "f", "typed_config": {"@type": f"{TYPE}formatter.file_content.v3.FileContent"}}
        ],
    }
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body_format": body}}
    router = {"name": "router", "typed_config": {"@type": f"{TYPE}filters.http.router.v3.Router"}}
    manager = {
        "@type": f"{TYPE}filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "http_filters": [router],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
    }
    listener = {
        "name": "main",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}
    return {"admin": admin, "static_resources": {"listeners": [listener]}}


@contextmanager
def serving(which: str, operator: str, directory: Path) -> Iterator[ProxyProcess]:
    """A proxy that prints the operator."""
    proxy = ProxyProcess(which, configuration(operator), directory, [])
    try:
        yield proxy
    finally:
        proxy.stop()


def printed(proxy: ProxyProcess) -> str:
    """What the operator prints now."""
    with socket.create_connection(proxy.listeners()["main"], LIMIT_S) as connection:  # type: ignore[arg-type]
        connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        received = b""
        while part := connection.recv(4096):
            received += part
    return received.decode().partition("\r\n\r\n")[2].removeprefix("<").removesuffix(">")


def comes_to_print(proxy: ProxyProcess, text: str) -> bool:
    """Whether it prints this within the time; nobody says when a notice has come."""
    until = time.monotonic() + LIMIT_S
    while printed(proxy) != text:
        if time.monotonic() > until:
            return False
    return True


def replace(path: Path, text: str) -> None:
    new = path.with_name("new")
    new.write_text(text)
    new.rename(path)


@pytest.mark.parametrize("which", ["envoy", "ferryman"])
def test_a_file_is_read_again_when_it_is_written(which: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("first")
    with serving(which, f"%FILE_CONTENT({path})%", tmp_path) as proxy:
        assert printed(proxy) == "first"
        path.write_text("second")
        assert comes_to_print(proxy, "second")
        # Replacing it is not noticed without a folder that is watched; the next time that it is written is.
        replace(path, "third")
        assert printed(proxy) == "second"
        path.write_text("fourth")
        assert comes_to_print(proxy, "fourth")


@pytest.mark.parametrize("which", ["envoy", "ferryman"])
def test_a_file_is_read_again_when_its_folder_says_so(which: str, tmp_path: Path) -> None:
    path, watched = tmp_path / "file", tmp_path / "watched"
    watched.mkdir()
    path.write_text("first")
    with serving(which, f"%FILE_CONTENT({path}:{watched}):5%", tmp_path) as proxy:
        assert printed(proxy) == "first"
        replace(path, "other and more")
        assert printed(proxy) == "first"
        replace(watched / "anything", "")
        assert comes_to_print(proxy, "other")
        path.unlink()
        replace(watched / "anything", "")
        assert printed(proxy) == "other"
