"""`domain-without-port`: a virtual host that clients on an unusual port do not reach.

Owns the rule. Follows envoy.config.route.v3.VirtualHost.domains: a client that connects to port 8080 writes
the port into `host`, and `example.com` does not match `example.com:8080`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor
    from ferryman.lint.subject import Subject, Table

_USUAL: Final = (0, 80, 443)


def _judge(subject: Subject) -> Iterator[Finding]:
    for table in subject.tables:
        port = _port(table)
        if port in _USUAL or table.cursor.get("ignore_port_in_host_matching"):
            continue
        # A name without a dot is one that somebody made up, and writes into `host` by hand.
        every = [domain for host in table.cursor.items("virtual_hosts") for domain in host.get("domains")]
        if any(domain.endswith("*") or ":" in domain or "." not in domain for domain in every):
            continue
        for host in table.cursor.items("virtual_hosts"):
            for domain in list(host.get("domains"))[:1]:
                asked = f"{domain.replace('*', 'www', 1)}:{port}"
                text = f"`{domain}` does not match `{asked}`, which clients ask for"
                hint = "add the domain with its port, or set strip_any_host_port in the connection manager"
                yield Finding(host, text, hint, "domains", 0)


def _port(table: Table) -> int:
    """The port that clients write into `host`; 0 if that is not known or does not matter."""
    manager = table.manager
    if manager is None or _is_stripped(manager.cursor):
        return 0
    address = manager.listener.child("address")
    return int(address.child("socket_address").get("port_value")) if address.has("socket_address") else 0


def _is_stripped(manager: Cursor) -> bool:
    return bool(manager.get("strip_matching_host_port") or manager.which("strip_port_mode"))


DOMAIN_PORTS: Final = Rule(
    "domain-without-port", "a virtual host that clients on an unusual port do not reach", _judge
)
