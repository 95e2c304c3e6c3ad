"""`/certs`: the certificates that the proxy uses now, by TLS context.

Owns the page. Which certificates there are is told by the data plane, which reads them again when their
files are replaced.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/admin#get--certs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ferryman.admin.page import Page, Question, Reply, RunningConfig, now
from ferryman.api import schema
from ferryman.api.json_form import to_json


class LoadedCertificate(msgspec.Struct, frozen=True):
    """One certificate; times are seconds since 1970."""

    path: str
    serial_number: str
    dns: list[str]
    uri: list[str]
    ip_address: list[str]
    valid_from: int
    expiration_time: int


class LoadedContext(msgspec.Struct, frozen=True):
    """The certificates of one context."""

    ca_cert: list[LoadedCertificate]
    cert_chain: list[LoadedCertificate]


def certificates(question: Question, running: RunningConfig) -> Reply:
    """The list of them."""
    message: Any = schema.new_message("envoy.admin.v3.Certificates")
    for record in running.certificates():
        context = msgspec.msgpack.decode(record, type=LoadedContext)
        listed = message.certificates.add()
        for loaded in context.ca_cert:
            _tell(loaded, listed.ca_cert.add())
        for loaded in context.cert_chain:
            _tell(loaded, listed.cert_chain.add())
    return Reply(to_json(message, every_field=True))


def _tell(loaded: LoadedCertificate, details: Any) -> None:
    details.path = loaded.path
    details.serial_number = loaded.serial_number
    for kind in ("dns", "uri", "ip_address"):
        for name in getattr(loaded, kind):
            setattr(details.subject_alt_names.add(), kind, name)
    expires = datetime.fromtimestamp(loaded.expiration_time, UTC)
    details.days_until_expiration = max(0, (expires - now()).days)
    details.valid_from.FromSeconds(loaded.valid_from)
    details.expiration_time.FromSeconds(loaded.expiration_time)


PAGES: Final = (Page(path="/certs", help="print certs on machine", answer=certificates),)
