"""Which cases of an area Ferryman refuses, told without starting anything.

Owns that question, so that an area with a case of something that is not built yet still starts as a whole,
without that case. A port is any port here, and a folder any folder.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from ferryman.config.pipeline import check_bootstrap
from ferryman.config.source import Source

from harness.bootstrap import bootstrap_of, substitute
from harness.case import Area


def refusals(area: Area) -> dict[str, str]:
    """What is said of each case that is refused, by the case's name: a line for each error."""
    with tempfile.TemporaryDirectory() as folder:
        values = {"dir": folder, "log": f"{folder}/log"}
        certificate = Path(folder, "certificate")
        certificate.write_text("one of nobody")

        def look_up(name: str) -> str:
            return str(certificate) if name.startswith("cert:") else values.get(name, "10001")

        told = {}
        for case in area.cases:
            made = substitute(bootstrap_of(area.alone(case)), look_up)
            problems = check_bootstrap([Source(f"{area.name}.json", json.dumps(made), "json")])
            if problems.has_errors:
                told[case.name] = problems.as_text(excerpts=False)
    return told
