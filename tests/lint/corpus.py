"""Lints folders of public Envoy configurations: `python -m lint.corpus FOLDER…`, in `tests/`.

Not run in CI: the files belong to others and are not in this repository. Prints every warning, to be judged
by reading the file, and the sums, for the record in `docs/lint.md`.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from ferryman.config.source import Source
from ferryman.lint.run import lint
from oracle.corpus import is_bootstrap


def main(folders: list[str]) -> None:
    """Lint every bootstrap below the folders and print what is found."""
    counts: Counter[str] = Counter()
    files = 0
    for folder in folders:
        for file in sorted(Path(folder).rglob("*")):
            if file.suffix in (".yaml", ".yml", ".json") and is_bootstrap(file):
                files += 1
                for problem in lint(Source.from_file(file)):
                    counts[problem.code] += 1
                    print(f"{problem.code}: {problem}")
    print(f"\n{files} files, {counts.total()} warnings")
    for code, count in counts.most_common():
        print(f"| `{code}` | {count} |")


if __name__ == "__main__":
    main(sys.argv[1:])
