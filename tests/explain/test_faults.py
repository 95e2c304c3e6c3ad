"""Faults are brought about, and `/explain` must name the cause and the place in the configuration."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ferryman import cli
from ferryman.admin import session_causes
from ferryman.admin.explain import CAUSES
from ferryman.admin.failed_stream import FailedRoute, FailedStream, FailedUpstream, Limits, PickedHost
from harness.case import Case, load_area
from harness.http2_client import Http2Client
from harness.rig import Rig

AREA = load_area(Path(__file__).parent / "faults.yaml")
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    started = Rig("ferryman", AREA, tmp_path_factory.mktemp("explain"))
    yield started
    started.close()


def explained(rig: Rig, query: str = "") -> dict[str, Any]:
    status, text = rig.proxy.admin(f"/explain?format=json{query}")
    assert status == 200, text
    told: dict[str, Any] = json.loads(text)
    return told


@pytest.mark.parametrize("case", AREA.cases, ids=lambda case: case.slug)
def test_fault(rig: Rig, case: Case) -> None:
    before = time.time() * 1000
    rig.run(case)
    told, expect = explained(rig), case.expect
    assert told["request"]["started_ms"] >= int(before), "an older request is told of"
    assert told["cause"] == expect["cause"]
    assert expect["what"] in told["what"]
    decided = told["decided_by"]
    assert decided["path"].endswith(expect["path"]) and bool(decided["path"]) == bool(expect["path"])
    assert told["advice"]
    if expect["path"]:
        assert decided["is_set"] != expect.get("unset", False)
        assert bool(decided["default"]) == expect.get("unset", False)
        assert_stands(rig, decided)


def assert_stands(rig: Rig, decided: dict[str, Any]) -> None:
    """The line that is named is the one of the last step of the path, or of something above it."""
    file, line, column = decided["place"].rsplit(":", 2)
    assert file == str(rig.proxy.config)
    text = Path(file).read_text().splitlines()[int(line) - 1][int(column) - 1 :]
    steps = re.findall(r"\w+", decided["path"])
    named = next(step for step in reversed(steps) if not step.isdigit())
    if decided["is_set"] and not decided["path"].endswith("]"):
        assert text.startswith(f'"{named}"')
    else:
        assert text.startswith(("{", '"'))


def test_an_id_finds_its_request(rig: Rig) -> None:
    for number in (1, 2):
        case = Case("refused", headers=["Host: refused.test", f"x-request-id: id-{number}"], get=f"/{number}")
        rig.run(case)
    assert explained(rig, "&request_id=id-1")["request"]["path"] == "/1"
    assert explained(rig)["request"]["path"] == "/2"
    status, text = rig.proxy.admin("/explain?request_id=none")
    assert status == 404 and text.startswith("no request with the id none is among the last ones")


def test_an_id_finds_its_connection(rig: Rig) -> None:
    tcp = next(case for case in AREA.cases if case.name == "tcp refused")
    rig.run(tcp)
    connection = explained(rig)["request"]["connection_id"]
    rig.run(Case("refused", headers=["Host: refused.test", "x-request-id: a"]))
    told = explained(rig, f"&connection_id={connection}")
    assert told["request"]["kind"] == "tcp" and told["request"]["connection_id"] == connection
    text = rig.proxy.admin(f"/explain?connection_id={connection}")[1]
    assert text.startswith(f"TCP session of connection {connection} from 127.0.0.1:")
    assert re.search(
        r"^  0 bytes received, 0 sent, flags UF,URX, details tcp_initializion_failure:0$", text, re.M
    )
    assert not re.search(r"^  (virtual host|route) ", text, re.M)
    status, text = rig.proxy.admin("/explain?connection_id=999999")
    assert status == 404 and text.startswith("nothing on the connection 999999 is among the last ones")
    assert rig.proxy.admin("/explain?connection_id=-1")[0] == 400


def test_a_fact_stands_at_the_same_place_on_both_sides() -> None:
    """The records cross without the names of their fields."""
    source = (ROOT / "crates/dataplane/src/explain/failed_stream.rs").read_text()
    for ours in (FailedStream, FailedRoute, FailedUpstream, PickedHost, Limits):
        found = re.search(rf"pub struct {ours.__name__}(?:<'a>)? \{{(.*?)\n\}}", source, re.S)
        assert found
        assert re.findall(r"^    pub (\w+):", found[1], re.M) == list(ours.__struct_fields__)


def test_good_requests_are_not_remembered(rig: Rig) -> None:
    rig.run(Case("good", headers=["Host: any.test", "x-request-id: good"]))
    assert rig.proxy.admin("/explain?request_id=good")[0] == 404


def test_the_text_tells_the_same(rig: Rig) -> None:
    rig.run(Case("refused", headers=["Host: refused.test"]))
    text = rig.proxy.admin("/explain")[1]
    assert re.search(r"^  GET refused.test/ -> 503, flags UF, details upstream_reset_before", text, re.M)
    assert re.search(
        r"^What happened: no connection to 127.0.0.1:\d+ could be made: Connection ref", text, re.M
    )
    assert re.search(r"^  cluster +refused: 1 hosts, 1 healthy, round_robin  \(.*:\d+:\d+\)$", text, re.M)
    assert re.search(r"^Decided by: .*:\d+:\d+: static_resources.clusters\[\d\]\.load_assign", text, re.M)


def test_every_cause_has_words() -> None:
    source = (ROOT / "crates/dataplane/src/error.rs").read_text()
    kinds = re.search(r"pub enum ErrorKind \{(.*?)\n\}", source, re.S)
    assert kinds
    named = set(re.findall(r"^    ([A-Z]\w+)", kinds[1], re.M))
    assert named and set(CAUSES) == named | {"LocalReply", "ProcessEnded"}
    sessions = ROOT / "crates/dataplane/src/filters/network/tcp_proxy/session/outcome.rs"
    of_sessions = set(re.findall(r"ErrorKind::(\w+)", sessions.read_text()))
    assert of_sessions and of_sessions <= set(session_causes.CAUSES)


def test_the_command_asks_the_page(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    rig.run(Case("refused", headers=["Host: refused.test", "x-request-id: of-the-command"]))
    host, port = rig.proxy.admin_address
    assert command(f"{host}:{port}", "of-the-command") == 0
    assert capsys.readouterr().out == rig.proxy.admin("/explain?request_id=of-the-command")[1]
    assert command(f"{host}:{port}", "--connection", "0") == 1
    assert capsys.readouterr().err.startswith("nothing on the connection 0 is among the last ones")
    assert command(f"{host}:{port}", "nobody", "--format", "json") == 1
    assert "no request with the id nobody" in capsys.readouterr().err


def test_the_command_without_a_proxy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(str(tmp_path / "admin.sock")) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: no answer from the admin pages at ") and told.count("\n") == 1


def command(admin: str, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["explain", "--admin", admin, *arguments])
    return int(ended.value.code or 0)


def test_faults_of_streams(rig: Rig) -> None:
    """What ends a stream of HTTP/2, whose connection may go on."""
    slug = "no-route-in-the-virtual-host"
    address = rig.address(slug)
    target = [(":scheme", "http"), (":authority", f"{slug}.test"), (":path", "/other")]
    client = Http2Client(address)
    stream = client.request([(":method", "POST"), *target], b"")
    time.sleep(0.2)
    client.h2.reset_stream(stream, 8)
    client.flush()
    client.wait(client.request([(":method", "GET"), *target]))
    client.close()
    assert told_of(rig, "DownstreamReset")["what"].startswith(
        "the client reset the stream before its response"
    )
    client = Http2Client(address)
    client.request([(":method", "GET"), *target, ("connection", "close")])
    client.wait()
    client.close()
    broken = told_of(rig, "DownstreamHttp2")
    assert "belongs to HTTP/1 connections" in broken["what"] and broken["advice"]


def told_of(rig: Rig, cause: str) -> dict[str, Any]:
    """The last request whose cause this is; it may take a moment."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        told = explained(rig)
        if told["cause"] == cause:
            return told
        time.sleep(0.02)
    raise AssertionError(f"no {cause}: {told}")
