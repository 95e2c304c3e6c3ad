"""`Proxy`: what it asks of the data plane, in which order, and how it ends. The data plane only notes."""

from __future__ import annotations

import json
import queue
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ferryman import ConfigError, Options, Proxy, SourceError, StartError, _native, process_limits
from ferryman.config import model
from ferryman.config.pipeline import load_bootstrap
from ferryman.errors import WorkersEndedError
from ferryman.proxy import load_options_of, sources_of

ADMIN = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}"
LISTENER = """
static_resources:
  clusters: [{name: up, load_assignment: {cluster_name: up}}]
  listeners:
  - name: tcp
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          {stat_prefix: t, cluster: up}
""".replace("          {stat_prefix: t, cluster: up}", "          stat_prefix: t\n          cluster: up")


class NotingDataPlane:
    """Stands in for `_native.Proxy`."""

    def __init__(self, bootstrap: bytes, **settings: Any) -> None:
        self.noted: list[str] = ["made"]
        self.bootstrap = msgspec.msgpack.decode(bootstrap, type=model.Bootstrap)
        self.settings = settings
        self.events: queue.Queue[Any] = queue.Queue()
        self.sigint: Any = None
        made.append(self)

    def certificates(self) -> list[bytes]:
        return []

    def apply(self, clusters: list[bytes], listeners: list[bytes]) -> None:
        self.noted.append(f"applied {len(clusters)} {len(listeners)}")
        if refusal:
            raise _native.NativeError(refusal[0])

    def start(self, *, signals: bool = True) -> None:
        self.sigint = signal.getsignal(signal.SIGINT)
        self.noted.append("started and takes signals" if signals else "started")

    def admin_address(self) -> str:
        return "127.0.0.1:1234"

    def listener_addresses(self) -> list[tuple[str, str]]:
        return [("a", "127.0.0.1:1"), ("b", "/b.sock"), ("a", "127.0.0.1:2")]

    def next_event(self, timeout_s: float | None) -> Any:
        return self.events.get()

    def shutdown(self, *, drain: bool) -> None:
        self.noted.append(f"shut down, drain {drain}")
        self.events.put("stopped")

    def close(self) -> None:
        self.noted.append("closed")


made: list[NotingDataPlane] = []
refusal: list[str] = []
logged: list[tuple[str, str, str]] = []


@pytest.fixture(autouse=True)
def data_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    for kept in (made, refusal, logged):
        kept.clear()
    monkeypatch.setattr(_native, "Proxy", NotingDataPlane)
    monkeypatch.setattr(_native, "log", lambda *line: logged.append(line))


def test_the_order_of_things() -> None:
    with Proxy.from_yaml(LISTENER):
        assert made[0].noted == ["made", "applied 1 1", "started"]
    assert made[0].noted[3:] == ["shut down, drain False", "closed"]


def test_run_returns_when_stopped() -> None:
    proxy = Proxy.from_yaml("{}")
    proxy.bind()
    made[0].events.put("stopped")
    before = signal.getsignal(signal.SIGINT)
    proxy.run()
    assert made[0].noted[2:] == ["started and takes signals", "closed"]
    assert made[0].sigint is signal.SIG_DFL, "Python must not turn Ctrl-C into an exception"
    assert signal.getsignal(signal.SIGINT) is before


def test_run_says_that_no_worker_is_left() -> None:
    proxy = Proxy.from_yaml("{}")
    proxy.bind()
    made[0].events.put("failed")
    with pytest.raises(WorkersEndedError):
        proxy.run()
    assert made[0].noted[-1] == "closed"


class Request:
    method, query, body = "GET", "", b""

    def __init__(self, path: str) -> None:
        self.path = path
        self.replies: list[tuple[int, str, bytes]] = []

    def reply(self, *answer: Any) -> None:
        self.replies.append(answer)


def test_admin_pages_are_answered_and_a_bad_one_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [Request("/config_dump"), Request("/certs"), Request("/certs")]
    monkeypatch.setattr(requests[1], "reply", None)
    proxy = Proxy.from_yaml("node: {id: me}")
    proxy.bind()
    for event in (*requests, "stopped"):
        made[0].events.put(event)
    proxy.run()
    [(status, content_type, body)] = requests[0].replies
    assert (status, content_type) == (200, "application/json") and b'"id": "me"' in body
    assert [line[:2] for line in logged if "failed" in line[2]] == [("error", "admin")]
    assert requests[2].replies[0][0] == 200


def test_the_data_plane_is_told_of_pages_and_of_the_process() -> None:
    with Proxy.from_yaml("node: {id: me}"):
        settings = made[0].settings
    assert ("/certs", "GET", "print certs on machine") in settings["python_pages"]
    info = json.loads(settings["server_info"])
    assert (info["state"], info["uptime_current_epoch"], info["node"]["id"]) == ("%STATE%", "%UPTIME%", "me")


def test_stop_drains_if_asked() -> None:
    with Proxy.from_yaml("{}") as proxy:
        proxy.stop(drain=True)
        assert made[0].noted[-1] == "shut down, drain True"


def test_addresses() -> None:
    proxy = Proxy.from_yaml("{}")
    assert (proxy.listener_addresses, proxy.admin_address) == ({}, None)
    with proxy:
        assert proxy.listener_addresses == {"a": ["127.0.0.1:1", "127.0.0.1:2"], "b": ["/b.sock"]}
        assert proxy.admin_address == "127.0.0.1:1234"


def test_a_refusal_of_the_data_plane_is_a_start_error() -> None:
    refusal.append("cannot bind 127.0.0.1:80: Permission denied")
    proxy = Proxy.from_yaml("{}")
    with pytest.raises(StartError, match=r"^cannot bind 127\.0\.0\.1:80: Permission denied$"):
        proxy.start()
    assert "started" not in made[0].noted


def test_a_proxy_starts_once() -> None:
    proxy = Proxy.from_yaml("{}")
    proxy.bind()
    with pytest.raises(StartError):
        proxy.bind()


def test_a_bad_configuration_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        Proxy.from_yaml("admim: {}\nnode: 1")
    assert len(refused.value.problems.errors) == 2
    with pytest.raises(SourceError):
        Proxy.from_file(tmp_path / "none.yaml")
    assert not made


def test_from_file(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text(json.dumps({"node": {"id": "n"}}))
    with Proxy.from_file(tmp_path / "e.json"):
        assert made[0].bootstrap.node_id == "n"


def test_options_reach_the_data_plane() -> None:
    options = Options(
        config_yaml="node: {id: a, cluster: b}", service_node="n", service_zone="z", concurrency=0,
        log_level="off", component_log_levels=(("http", "trace"),), log_path="l", log_format="%v",
        log_format_escaped=True, drain_time_s=7, drain_strategy="immediate", stats_tags=(("a", "b"),),
        file_flush_interval_msec=5, file_flush_min_size_kb=2,
    )  # fmt: skip
    with Proxy.from_options(options):
        bootstrap, settings = made[0].bootstrap, made[0].settings
    assert (bootstrap.node_id, bootstrap.node_cluster, bootstrap.node_zone) == ("n", "b", "z")
    assert (bootstrap.concurrency, bootstrap.drain_time_ms, bootstrap.drain_strategy) == (
        1,
        7000,
        "immediate",
    )
    assert (bootstrap.file_flush_interval_ms, bootstrap.file_flush_min_size_bytes) == (5, 2048)
    assert bootstrap.stats.tags[0] == model.TagSpecifier(tag_name="a", regex=None, fixed_value="b")
    assert settings["log_level"] == "off" and settings["component_log_levels"] == (("http", "trace"),)
    assert settings["log_path"] == "l" and settings["log_format"] == "%v" and settings["log_format_escaped"]


def test_config_yaml_is_merged_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "e.yaml").write_text("node: {id: file, cluster: file}")
    options = Options(config_path=str(tmp_path / "e.yaml"), config_yaml="node: {id: inline}")
    with Proxy.from_options(options):
        assert (made[0].bootstrap.node_id, made[0].bootstrap.node_cluster) == ("inline", "file")


DEPRECATED = "static_resources: {clusters: [{name: c, type: STATIC, http_protocol_options: {}}]}"


@pytest.mark.parametrize("skip", [False, True])
def test_deprecated_fields_are_warned_of_unless_skipped(skip: bool) -> None:
    options = Options(config_yaml=DEPRECATED, skip_deprecated_logs=skip)
    warnings = load_bootstrap(sources_of(options), load_options_of(options)).warnings
    assert any("deprecated" in warning for warning in warnings) is not skip


def test_warnings_are_logged() -> None:
    with Proxy.from_yaml(DEPRECATED):
        pass
    assert [line[:2] for line in logged if "deprecated" in line[2]] == [("warning", "config")]


def test_the_admin_address_is_written(tmp_path: Path) -> None:
    with Proxy.from_yaml(ADMIN, Options(admin_address_path=str(tmp_path / "admin"))):
        assert (tmp_path / "admin").read_text() == "127.0.0.1:1234"


def test_an_admin_address_that_cannot_be_written_is_logged() -> None:
    with Proxy.from_yaml(ADMIN, Options(admin_address_path="/nowhere/admin")):
        assert ("error", "main") in [line[:2] for line in logged]


def test_too_few_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (10, 10))
    monkeypatch.setattr(process_limits.resource, "setrlimit", lambda which, pair: None)
    with pytest.raises(StartError, match="too few file descriptors"):
        Proxy.from_yaml("{}").start()
    assert not made


def modules_after(code: str, *arguments: str) -> set[str]:
    program = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_costs_nothing() -> None:
    modules = modules_after("import ferryman")
    assert not {name for name in modules if name.startswith("ferryman.")}
    assert not modules & {"click", "rich", "google.protobuf", "yaml", "msgspec", "asyncio"}


def test_the_command_line_alone_is_light() -> None:
    modules = modules_after("import ferryman.cli")
    assert not modules & {"rich", "google.protobuf", "yaml", "msgspec", "asyncio", "ferryman.proxy"}


def test_loading_imports_only_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text("{}")
    load = "from ferryman import Proxy\nProxy.from_file(sys.argv[1])"
    modules = modules_after(load, str(tmp_path / "e.json"))
    assert "google.protobuf" in modules
    assert not modules & {"rich", "yaml", "asyncio", "click", "ssl", "ferryman.demo", "http"}
