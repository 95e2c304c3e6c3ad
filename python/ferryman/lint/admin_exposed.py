"""`admin-exposed`: an admin listener that other hosts can reach.

Owns the rule. Follows Envoy's page "Administration interface": whoever reaches it can end the process and
read its configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ferryman.lint.rule import Finding, Rule
from ferryman.lint.subject import is_open_address

if TYPE_CHECKING:
    from ferryman.lint.subject import Subject


def _judge(subject: Subject) -> Iterator[Finding]:
    if not subject.is_bootstrap or not subject.root.has("admin"):
        return
    address = subject.root.child("admin").child("address")
    if is_open_address(address):
        yield Finding(
            address.child("socket_address"),
            "other hosts can reach the admin listener: they may end the process and read its configuration",
            "bind it to 127.0.0.1 or a Unix domain socket",
            "address",
        )


ADMIN_EXPOSED: Final = Rule("admin-exposed", "an admin listener that other hosts can reach", _judge)
