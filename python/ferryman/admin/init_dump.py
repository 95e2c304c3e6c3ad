"""`/init_dump`: what the start still waits for.

A configuration from files waits for nothing: by the time that a page is answered everything in it is there.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/admin#get--init_dump.
"""

from __future__ import annotations

from typing import Final

from ferryman.admin.page import Page, Question, Reply, RunningConfig
from ferryman.api import schema
from ferryman.api.json_form import to_json


def init_dump(question: Question, running: RunningConfig) -> Reply:
    """No unready target, whatever the mask asks for."""
    return Reply(to_json(schema.new_message("envoy.admin.v3.UnreadyTargetsDumps")))


_MASK_HELP: Final = (
    "The desired component to dump unready targets. The mask is parsed as a Protobuf::FieldMask. For "
    "example, get the unready targets of all listeners with /init_dump?mask=listener`"
)

PAGES: Final = (
    Page(
        path="/init_dump",
        help="dump current Envoy init manager information (experimental)",
        answer=init_dump,
        parameters=(("mask", _MASK_HELP),),
    ),
)
