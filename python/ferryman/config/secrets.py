"""Secrets that are defined once and used by name.

Owns Secret, SdsSecretConfig and the secrets of the static resources. A secret is read where it is used, as
though it stood there: one that nobody uses may name a file that is not there, in Envoy too. Secrets that
come from a control plane or a file of resources (`sds_config`) are refused.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/extensions/transport_sockets/tls/v3/secret.proto
"""

from __future__ import annotations

from typing import Final

from ferryman.config.cursor import Cursor
from ferryman.config.fields import Fields

_TLS: Final = "envoy.extensions.transport_sockets.tls.v3."
_KINDS: Final = {
    "tls_certificate": "a certificate",
    "validation_context": "a validation context",
    "session_ticket_keys": "session ticket keys",
}
_SECRET = Fields(
    f"{_TLS}Secret",
    f"name {' '.join(_KINDS)}",
    no_effect={"generic_secret": "no extension that uses one is built"},
)
_USE = Fields(f"{_TLS}SdsSecretConfig", "name")


class Secrets:
    """The secrets of one configuration, by kind and name."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Cursor] = {}

    def define(self, cursor: Cursor) -> None:
        """Note that a Secret exists."""
        _SECRET.read(cursor)
        kind, name = cursor.which("type"), cursor.get("name")
        if kind not in _KINDS:
            return
        if (kind, name) in self._found:
            cursor.problem(f"{_KINDS[kind]} `{name}` is there already", field="name", code="duplicate")
        self._found[kind, name] = cursor.child(kind)

    def find(self, use: Cursor, kind: str) -> Cursor | None:
        """What the SdsSecretConfig at `use` names; None with a problem."""
        fields = _USE.read(use)
        name = fields.get("name", "")
        found = self._found.get((kind, name))
        if found is None and name and not use.has("sds_config"):
            names = sorted(known for of, known in self._found if of == kind)
            hint = f"there are {', '.join(f'`{known}`' for known in names)}" if names else None
            use.problem(f"no static secret `{name}` that is {_KINDS[kind]}", hint, "name", "reference")
        return found
