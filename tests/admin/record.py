"""Asks the real Envoy for its admin pages and keeps the answers in `golden/`: `python tests/admin/record.py`.

Owns which pages are compared (`PAGES`) and how an answer is freed of what changes from run to run
(`normalise`). `crates/dataplane/tests/admin/golden.rs` does the same with the pages of Rust and compares,
`test_python_pages.py` with those of Python.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent


def _pages(list_file: str) -> list[list[str]]:
    return [line.split() for line in (HERE / list_file).read_text().splitlines() if line and line[0] != "#"]


PAGES = _pages("pages.txt")
"""Name of the golden file, method, and path with query, of the pages that Rust answers."""
PYTHON_PAGES = _pages("python_pages.txt")
"""The same of the pages that Python answers."""


@contextmanager
def envoy(config: Path = HERE / "envoy.yaml", concurrency: int = 2) -> Iterator[str]:
    """The admin address of a running Envoy."""
    binary = Path(sys.executable).with_name("envoy")
    with tempfile.TemporaryDirectory() as directory:
        address = Path(directory) / "address"
        process = subprocess.Popen(
            [
                str(binary),
                *("-c", str(config)),
                *("--concurrency", str(concurrency)),
                *("--admin-address-path", str(address)),
                "--disable-hot-restart",
            ],
            stderr=subprocess.DEVNULL,
        )
        try:
            yield _wait_until_live(address, process)
        finally:
            process.terminate()
            process.wait()


def _wait_until_live(address: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        if address.exists() and (text := address.read_text()):
            try:
                if ask(text, "GET", "/ready")[2] == "LIVE\n":
                    return text
            except OSError:
                pass
        time.sleep(0.02)
    raise RuntimeError("Envoy did not start")


def ask(address: str, method: str, path: str) -> tuple[int, str, str]:
    """Status, content type and body of one page."""
    request = urllib.request.Request(f"http://{address}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.headers["content-type"], response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["content-type"], error.read().decode()


def normalise(body: str) -> str:
    """Numbers of statistics, ports that the kernel picked and sizes of memory as `#`."""
    body = re.sub(r"^([\w.:\[\]/ -]+: )(\d+|P0\(.*|No recorded values)$", r"\1#", body, flags=re.M)
    body = re.sub(r"^(\w+\{.*\}) [\d.e+-]+$", r"\1 #", body, flags=re.M)
    body = re.sub(r'("value":)\d+', r"\1#", body)
    body = re.sub(r'("(?:cumulative|interval)":)(?:[\d.e+-]+|null)', r"\1#", body)
    body = re.sub(r'^( "\w+": )"\d+"', r'\1"#"', body, flags=re.M)
    body = re.sub(r'("port_value": )\d{4,}', r"\1#", body)
    body = re.sub(r"^(\w+::\S+:)\d{4,}$", r"\1#", body, flags=re.M)
    return _normalise_dump(body)


def _normalise_dump(body: str) -> str:
    """Times, what differs from build to build, and the filler that Envoy puts into texts for people."""
    body = re.sub(r'("last_updated": )"[-\d]+T[\d:.]+Z"', r'\1"#"', body)
    body = re.sub(
        r'("(?:user_agent_build_version|extensions)": )[{\[].*?^ {5}[}\]]', r"\1#", body, flags=re.M | re.S
    )
    return re.sub(r"goo\.gle/debug\w+ *\n", "\n", body)


def answer(address: str, method: str, path: str) -> str:
    """One page as it is kept: status and content type on a line each, then the body."""
    status, content_type, body = ask(address, method, path)
    return f"{status}\n{content_type}\n{normalise(body)}"


def main() -> None:
    """Records all pages."""
    with envoy() as address:
        for name, method, path in PAGES + PYTHON_PAGES:
            (HERE / "golden" / name).write_text(answer(address, method, path))


if __name__ == "__main__":
    main()
