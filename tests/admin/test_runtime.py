from __future__ import annotations

import json

from admin.asking import ask, running

LAYERS = "layered_runtime: {layers: [{name: base, static_layer: {}}, {name: admin, admin_layer: {}}]}"


def test_layers_are_listed() -> None:
    answer = ask(running(LAYERS), "/runtime")
    assert answer[:2] == (200, "application/json")
    assert json.loads(answer[2]) == {"entries": {}, "layers": ["base", "admin"]}


def test_a_key_that_nothing_reads_is_refused_by_name() -> None:
    status, _, body = ask(running(LAYERS), "/runtime_modify?one=1", "POST", b"two=2")
    assert status == 503
    assert body == "No runtime key is supported yet, so nothing would read one, two\n"


def test_keys_may_come_as_a_form() -> None:
    assert ask(running(), "/runtime_modify", "POST", b"a=1")[0] == 503
    assert ask(running(), "/runtime_modify", "POST")[0] == 400
