"""Judges folders of public Envoy configurations with both validators: `python -m oracle.corpus FOLDER…`.

Not run in CI: the files belong to others and are not in this repository. Run it in `tests/`; it prints
a Markdown table (file, Envoy's verdict, Ferryman's, why) and the sums, for the record in `docs/`. A file
counts when it is a whole bootstrap: a mapping with `static_resources`, `dynamic_resources` or `admin`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml
from harness.proxy_process import binary

LIMIT = 60
BOOTSTRAP_KEYS = {"static_resources", "dynamic_resources", "admin", "staticResources"}
NOT_YET = re.compile(r"(\S+) is not supported yet")
MISSING = r"unable to read file|does not exist|No such file|Invalid path|Failed to load"
UNKNOWN = r"registered implementation|could not find @type|Unable to find Protobuf"
REASONS = [
    (re.compile(MISSING, re.IGNORECASE), "a file is missing"),
    (re.compile(UNKNOWN, re.IGNORECASE), "unknown extension"),
    (re.compile(r"no such field|unknown field|unknown enum", re.IGNORECASE), "unknown field"),
    (re.compile(r"validation failed|is required", re.IGNORECASE), "field rule"),
]


class Loader(yaml.SafeLoader):
    """Reads any YAML, tags of templates included."""


Loader.add_multi_constructor("", lambda loader, suffix, node: None)


def is_bootstrap(file: Path) -> bool:
    """Whether a file is a whole configuration and not a fragment or something else."""
    try:
        documents = list(yaml.load_all(file.read_text(), Loader))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        return False
    return bool(documents) and isinstance(documents[0], dict) and bool(BOOTSTRAP_KEYS & set(documents[0]))


def judge(which: str, file: Path) -> tuple[bool, str]:
    """Whether a validator accepts a file, and why not in a few words."""
    command = [*binary(which), "-c", file.name, "--mode", "validate", "-l", "error"]
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT, cwd=file.parent, check=False
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer in {LIMIT} s"
    said = run.stdout + run.stderr
    if re.search(r"^configuration '.*' OK", said, re.MULTILINE):
        return True, ""
    named = sorted(set(NOT_YET.findall(said)))
    others = [line for line in said.splitlines() if ": error: " in line and not NOT_YET.search(line)]
    if named and not others:
        return False, "not yet: " + ", ".join(named)
    if "Traceback" in said:
        return False, "TRACEBACK " + said.strip().splitlines()[-1]
    for pattern, reason in REASONS:
        if pattern.search(said):
            return False, reason
    last = (said.strip().splitlines() or ["no word"])[-1]
    return False, re.sub(r"^.*error initializing configuration '[^']*': ", "", last)[:160]


def main(folders: list[str]) -> None:
    """Judge every bootstrap below the folders and print the table."""
    files = [
        file
        for folder in folders
        for file in sorted(Path(folder).rglob("*"))
        if file.suffix in (".yaml", ".yml", ".json") and is_bootstrap(file)
    ]
    sums: Counter[str] = Counter()
    print("| File | Envoy | Ferryman | Why |\n| --- | --- | --- | --- |")

    def both(file: Path) -> tuple[Path, tuple[bool, str], tuple[bool, str]]:
        return file, judge("envoy", file), judge("ferryman", file)

    with ThreadPoolExecutor(2) as threads:
        for file, (envoy, envoy_why), (ours, ours_why) in threads.map(both, files):
            if envoy == ours:
                kind = "both accept" if envoy else "both refuse"
            else:
                kind = "refused by name" if ours_why.startswith("not yet") else "DIFFERENT"
            sums[kind] += 1
            why = ours_why if envoy else f"Envoy: {envoy_why}; Ferryman: {ours_why or 'accepts'}"
            words = {True: "accepts", False: "refuses"}
            print(f"| {file} | {words[envoy]} | {words[ours]} | {why} |")
    print("\n" + ", ".join(f"{kind}: {count}" for kind, count in sorted(sums.items())))


if __name__ == "__main__":
    main(sys.argv[1:])
