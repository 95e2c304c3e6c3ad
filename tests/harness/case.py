"""One case: a piece of configuration, the traffic sent through it and what the upstreams say.

Owns: the format of case files, for oracle cases and scenarios alike. A file holds the cases of one
area; they share one proxy. A case without a listener of its own gets a virtual host of its own on the
shared listener `main`, or the shared virtual host `*` when it has no routes either.

File:  bootstrap (merged over the default one), flags (more command line), hcm (merged into every
       http_connection_manager), cases (a list). A scenario's file is a single case without a name, and
       `_shared.yaml` in its folder holds the other keys.
Case, configuration: routes | virtual_host | virtual_hosts | route_config | hcm | listener | filters |
       filter_chains | address | clusters | log_format |
       internal (internal listeners: a name and configuration only; a cluster with `internal: NAME` has
       that listener as its host).
Case, traffic: get (a path) with headers (lines) | send (a text or steps) | requests (texts, each sent
       when the one before is answered) | connections (several lists of steps at once) | admin (a path,
       GET) ; responses (how many to read, 1) ; source (address to connect from) ; to (HOST:PORT to connect
       to, when it is not the listener's own) ; upstream (a reply, or a map of server name to reply) ;
       tls (of the client: `sni` and what `certificates` takes) ; limit (seconds) ;
       alone (what the case does to the proxy stays: it has one of its own).
Case, comparing: stats (more prefixes to compare) ; ignore_stats, mask (regular expressions) ; shape
       (`json`, `json_keys`, `prometheus`, `lines`, `stat_names`: of the admin body compare that only,
       see `shapes`) ; problems (steps that fail are part of the case) ; differs, ours (oracle) ;
       expect (scenarios).
A `listener` may have `access_log_format: TEXT`, short for a file log of the connections.
Texts may hold $(host), the case's own host name; $(NAME), the port of upstream server NAME;
$(port:NAME), a free port; $(dir), the directory of this run; $(log), the access log's path.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from harness.script import Step, steps_of

LISTENER_KEYS = ("hcm", "listener", "filters", "filter_chains", "virtual_hosts", "route_config", "address",
                 "log_format")  # fmt: skip


@dataclass
class Case:
    """One case as written; see the module for the keys."""

    name: str
    routes: list[Any] | None = None
    virtual_host: dict[str, Any] | None = None
    virtual_hosts: list[Any] | None = None
    route_config: dict[str, Any] | None = None
    hcm: dict[str, Any] | None = None
    listener: dict[str, Any] | None = None
    filters: list[Any] | None = None
    filter_chains: list[Any] | None = None
    address: dict[str, Any] | None = None
    clusters: list[Any] = field(default_factory=list)
    internal: list[dict[str, Any]] = field(default_factory=list)
    log_format: Any = None
    get: str | None = None
    headers: list[str] = field(default_factory=list)
    send: Any = None
    requests: list[str] | None = None
    connections: list[Any] | None = None
    admin: str | None = None
    responses: int = 1
    source: str | None = None
    tls: dict[str, Any] | None = None
    to: str | None = None
    upstream: Any = None
    limit: float = 5.0
    alone: bool = False
    stats: list[str] = field(default_factory=list)
    ignore_stats: list[str] = field(default_factory=list)
    mask: list[str] = field(default_factory=list)
    shape: str | None = None
    differs: str | None = None
    problems: bool = False
    ours: dict[str, Any] = field(default_factory=dict)
    expect: dict[str, Any] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The name as used for listeners, virtual hosts and stat prefixes."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    @property
    def host(self) -> str:
        """Host name that selects the case's own virtual host."""
        return f"{self.slug}.test"

    @property
    def has_own_listener(self) -> bool:
        """Whether something about the case cannot share the listener `main`."""
        return any(getattr(self, key) is not None for key in LISTENER_KEYS)

    @property
    def listener_name(self) -> str:
        """Name of the listener that the traffic goes to."""
        return self.slug if self.has_own_listener else "main"

    def scripts(self) -> list[list[Step]]:
        """The client side: one script a connection."""
        first: list[Step] = [] if self.tls is None else [{"tls": self.tls}]
        return [first + script for script in self._plain_scripts()]

    def _plain_scripts(self) -> list[list[Step]]:
        if self.connections is not None:
            return [steps_of(script) for script in self.connections]
        if isinstance(self.send, list):
            return [steps_of(self.send)]
        if self.requests is not None:
            return [[step for text in self.requests for step in ({"send": text}, {"responses": 1})]]
        path = self.get if self.get is not None else self.admin
        text = self.send if self.send is not None else self._get_text(path)
        return [[{"send": text}, {"responses": self.responses}]]

    def _get_text(self, path: str | None) -> str:
        lines = [f"GET {path or '/'} HTTP/1.1"]
        if not any(line.lower().startswith("host:") for line in self.headers):
            lines.append("Host: $(host)")
        return "\r\n".join([*lines, *self.headers, "", ""])


@dataclass
class Area:
    """The cases of one file (or of one folder of scenarios) and what they share."""

    name: str
    cases: list[Case]
    bootstrap: dict[str, Any] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    hcm: dict[str, Any] = field(default_factory=dict)

    def alone(self, case: Case) -> Area:
        """The same area with a single case."""
        return Area(self.name, [case], self.bootstrap, self.flags, self.hcm)

    def without(self, names: Collection[str]) -> Area:
        """The same area without the cases of these names."""
        left = [case for case in self.cases if case.name not in names]
        return Area(self.name, left, self.bootstrap, self.flags, self.hcm)


class CaseError(Exception):
    """A case file that does not keep the format."""


CASE_KEYS = {f.name for f in fields(Case)}


def load_case(raw: dict[str, Any], where: str) -> Case:
    """A case from its YAML mapping."""
    unknown = set(raw) - CASE_KEYS
    if unknown or "name" not in raw:
        raise CaseError(f"{where}: unknown keys {sorted(unknown)} or no name; keys: {sorted(CASE_KEYS)}")
    case = Case(**raw)
    case.scripts()
    return case


def load_area(path: Path) -> Area:
    """All cases of a file."""
    raw = _read(path)
    unknown = set(raw) - {"bootstrap", "flags", "hcm", "cases"}
    if unknown:
        raise CaseError(f"{path}: unknown keys {sorted(unknown)}")
    cases = [load_case(entry, f"{path.name}[{number}]") for number, entry in enumerate(raw.get("cases", []))]
    slugs = [case.slug for case in cases]
    twice = {slug for slug in slugs if slugs.count(slug) > 1}
    if twice:
        raise CaseError(f"{path}: case names used twice: {sorted(twice)}")
    return Area(path.stem, cases, raw.get("bootstrap", {}), raw.get("flags", []), raw.get("hcm", {}))


def load_folder(path: Path) -> Area:
    """The scenarios of a folder, one case a file; `_shared.yaml` holds what the others share."""
    shared = path / "_shared.yaml"
    area = load_area(shared) if shared.exists() else Area(path.name, [])
    area.name = path.name
    for file in sorted(path.glob("*.yaml")):
        if file != shared:
            raw = yaml.safe_load(file.read_text())
            area.cases.append(
                load_case({"name": f"{path.name} {file.stem}", **raw}, f"{path.name}/{file.name}")
            )
    return area


def _read(path: Path) -> dict[str, Any]:
    try:
        raw: dict[str, Any] = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise CaseError(f"{path}: {error}") from error
    return raw
