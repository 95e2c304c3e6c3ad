"""`/runtime`, `/runtime_modify`: the runtime's layers and keys.

Owns both pages. No runtime key is built, and a file that sets one is refused: so the layers are empty, and to
set a key here would be to pretend that something reads it.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/admin#get--runtime.
"""

from __future__ import annotations

from typing import Any, Final

from ferryman.admin.page import Page, Question, Reply, RunningConfig, text_reply
from ferryman.api import schema
from ferryman.api.json_form import Entry, JsonPrinter, write_text

_USAGE: Final = (
    "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n"
    "       or send the parameters as form values\n"
    "use an empty value to remove a previously added override"
)


def runtime(question: Question, running: RunningConfig) -> Reply:
    """The layers, and no entries."""
    layers = [layer.name for layer in _layers(running)]
    printer = JsonPrinter()
    entries: list[Entry] = [
        ('"entries"', _write_nothing, None, False),
        ('"layers"', _write_names, layers, False),
    ]
    printer.entries(entries, "")
    printer.text("\n")
    return Reply(printer.finish())


def _write_nothing(printer: JsonPrinter, nothing: None, margin: str, secret: bool) -> None:
    printer.entries([], margin)


def _write_names(printer: JsonPrinter, names: list[str], margin: str, secret: bool) -> None:
    printer.items(names, write_text, margin)


def modify(question: Question, running: RunningConfig) -> Reply:
    """Refuses, and says why."""
    keys = question.parameters | question.form
    if not keys:
        return text_reply(_USAGE, 400)
    if not any(layer.HasField("admin_layer") for layer in _layers(running)):
        return text_reply("No admin layer specified", 503)
    names = ", ".join(sorted(keys))
    return text_reply(f"No runtime key is supported yet, so nothing would read {names}\n", 503)


def _layers(running: RunningConfig) -> Any:
    bootstrap: Any = schema.new_message(schema.BOOTSTRAP)
    bootstrap.ParseFromString(running.bootstrap)
    return bootstrap.layered_runtime.layers


_MODIFY_HELP: Final = (
    "Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an "
    "empty string as the value. Note that deletion only applies to overrides added via this endpoint; values "
    "loaded from disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2..."
)

PAGES: Final = (
    Page(path="/runtime", help="print runtime values", answer=runtime),
    Page(path="/runtime_modify", help=_MODIFY_HELP, answer=modify, post=True),
)
