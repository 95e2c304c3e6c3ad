"""`/certs`: the certificates that the proxy has loaded, which are none without TLS.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/admin#get--certs.
"""

from __future__ import annotations

from typing import Final

from ferryman.admin.page import Page, Question, Reply, RunningConfig
from ferryman.api import schema
from ferryman.api.json_form import to_json


def certificates(question: Question, running: RunningConfig) -> Reply:
    """The list of them."""
    return Reply(to_json(schema.new_message("envoy.admin.v3.Certificates"), every_field=True))


PAGES: Final = (Page(path="/certs", help="print certs on machine", answer=certificates),)
