"""WebSockets over every pair of HTTP/1.1 and HTTP/2: as through Envoy, and as without a proxy."""

from __future__ import annotations

import difflib
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness import web_socket_client as client
from harness.proxy_process import ProxyProcess
from harness.web_socket_service import Service

from oracle.test_http2_upstream import cluster, volatile
from oracle.web_socket_cases import CASES, MANAGERS, ROUTES, Case

pytestmark = pytest.mark.oracle

FORMAT = (
    "%PROTOCOL% %UPSTREAM_PROTOCOL% %REQ(:METHOD)% %REQ(:PATH)% %REQ(UPGRADE)% %RESPONSE_CODE%"
    " %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_CLUSTER%\n"
)
TYPES = "type.googleapis.com/envoy.extensions"
PAIRS = [(down, up) for down in ("h1", "h2") for up in ("h1", "h2")]
COMPARED = r"_rq_(?!time)|upgrade|protocol_error|rx_messaging|_cx_(total|overflow|connect)"
IGNORED = r"_rq_active|rq_total_peak"


def manager(name: str, up: str, logs: Path) -> dict[str, Any]:
    log = {
        "@type": f"{TYPES}.access_loggers.file.v3.FileAccessLog",
        "path": str(logs / f"{name}-{up}"),
        "log_format": {"text_format_source": {"inline_string": FORMAT}},
    }
    routes = [
        {"match": {"prefix": prefix}, "route": {"cluster": up, **route}}
        for prefix, route in [*ROUTES, ("/", {})]
    ]
    router = {"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}
    return {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": f"{name}-{up}",
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes}]},
        "http_filters": [router],
        "access_log": [{"name": "file", "typed_config": log}],
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "http2_protocol_options": {"allow_connect": True},
        **MANAGERS[name],
    }


def configuration(services: dict[str, Service], logs: Path) -> dict[str, Any]:
    listeners = [
        {
            "name": f"{name}-{up}",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager(name, up, logs)}]}],
        }
        for name in MANAGERS
        for up in ("h1", "h2")
    ]
    clusters = [cluster(up, service.address[1], {"allow_connect": True}) for up, service in services.items()]
    del clusters[0]["typed_extension_protocol_options"]
    return {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    }


@dataclass
class Side:
    """One proxy, its services and its logs."""

    process: ProxyProcess
    services: dict[str, Service]
    logs: Path

    def observe(self, case: Case, down: str, up: str) -> dict[str, Any]:
        name = f"{case.manager}-{up}"
        service, log = self.services[up], self.logs / name
        service.visits = []
        pattern = rf"^(http\.{name}\.|cluster\.{up}\.)"
        before = self.process.stats(pattern)
        lines_before = len(log.read_text().splitlines()) if log.exists() else 0
        seen = visit(case, down, self.process.listeners()[name])  # type: ignore[arg-type]
        self._settle(name, up)
        after = self.process.stats(pattern)
        changes = {stat: value - before.get(stat, 0) for stat, value in after.items()}
        return {
            "seen": {**vars(seen), "fields": volatile(seen.fields)},
            "forwarded": [
                {**vars(one), "fields": volatile(one.fields), "rest": one.rest.decode("latin-1")}
                for one in service.visits
            ],
            "log": log.read_text().splitlines()[lines_before:],
            "stats": {
                stat: change
                for stat, change in changes.items()
                if change
                and re.search(COMPARED, stat)
                and not re.search(f"{IGNORED}|{case.ignore or '^$'}", stat)
            },
        }

    def _settle(self, name: str, up: str) -> None:
        deadline = time.monotonic() + 8
        active = rf"^(http\.{name}\.downstream|cluster\.{up}\.upstream)_rq_active$"
        while time.monotonic() < deadline and any(self.process.stats(active).values()):
            time.sleep(0.02)
        self.process.admin("/reopen_logs", "POST")
        time.sleep(0.05)


def visit(case: Case, down: str, address: tuple[str, int]) -> client.Visit:
    more = {"early": case.early, "protocol": case.protocol, "fields": case.fields}
    return client.visit(down == "h2", address, case.path, case.steps, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[list[Side]]:
    started = []
    for which in ("envoy", request.config.getoption("--ours", default="ferryman")):
        directory = tmp_path_factory.mktemp(f"{which}{len(started)}")
        services = {"h1": Service(http2=False), "h2": Service(http2=True)}
        process = ProxyProcess(which, configuration(services, directory), directory, [])
        started.append(Side(process, services, directory))
    yield started
    for side in started:
        side.process.stop()
        for service in side.services.values():
            service.close()


@pytest.fixture(scope="module")
def direct() -> Iterator[dict[str, Service]]:
    services = {"h1": Service(http2=False), "h2": Service(http2=True)}
    yield services
    for service in services.values():
        service.close()


TRIED = [
    pytest.param(case, down, up, id=f"{name} ({down} to {up})")
    for name, case in CASES.items()
    for down, up in PAIRS
    if down in case.down and up in case.up
]


@pytest.mark.parametrize(("case", "down", "up"), TRIED)
def test_as_through_envoy(
    case: Case, down: str, up: str, sides: list[Side], direct: dict[str, Service]
) -> None:
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda side: side.observe(case, down, up), sides))
    texts = [json.dumps(one, indent=1, sort_keys=True).splitlines() for one in found]
    apart = list(difflib.unified_diff(*texts, "Envoy", "ours", n=0, lineterm=""))
    if apart:
        pytest.fail("\n".join(apart), pytrace=False)
    if case.is_direct:
        service = direct[down]
        service.visits = []
        seen = visit(case, down, service.address)
        assert found[1]["seen"]["frames"] == seen.frames
        assert found[1]["forwarded"][0]["frames"] == service.visits[0].frames


def test_there_are_enough() -> None:
    assert len(CASES) >= 60
