"""Shows what a proxy does with the cases of a file: `python -m harness.show FILE [NAME-PART] [PROXY]`.

For writing cases and expectations; run it in `tests/`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import yaml

from harness.case import load_area
from harness.observation import Observation
from harness.rig import Rig


def brief(name: str, seen: Observation) -> str:
    """A case in a line or two: what came back, what the upstreams saw, how it was logged."""
    back = [
        f"{[r['start_line'] for r in c.get('responses', [])]}{'+' + c['rest'][:60] if c['rest'] else ''}"
        f"{' cut short ' + c['cut_short']['start_line'] if 'cut_short' in c else ''}"
        f"{' closed' if c['closed'] else ''}"
        for c in seen.connections
    ]
    saw = {
        k: [[r["start_line"] for r in c["requests"]] or c["rest"][:60] for c in v]
        for k, v in seen.upstreams.items()
    }
    kept = ("code", "flags", "details", "upstream_failure", "termination")
    log = [
        " ".join(line[k] for k in kept if k in line) if isinstance(line, dict) else line for line in seen.log
    ]
    return f"{name}\n    {' | '.join(back)}\n    {saw} {log} {seen.problems or ''}"


def main(arguments: list[str]) -> None:
    """Play the chosen cases and print each observation as YAML."""
    area = load_area(Path(arguments[0]))
    part = arguments[1] if len(arguments) > 1 else ""
    which = arguments[2] if len(arguments) > 2 else "envoy"
    with tempfile.TemporaryDirectory() as directory:
        rig = Rig(which, area, Path(directory))
        for case in area.cases:
            if part in case.slug and part != "brief":
                seen = rig.run(case)
                shown = {
                    **seen.comparable(),
                    "received": seen.downstream_bytes,
                    "forwarded": seen.upstream_bytes,
                }
                print(f"# {case.name}")
                print(yaml.safe_dump(shown, sort_keys=False, width=150, allow_unicode=True))
            elif part == "brief":
                print(brief(case.name, rig.run(case)))
        rig.close()


if __name__ == "__main__":
    main(sys.argv[1:])
