"""Asks the real Envoy whether it takes a configuration, many at a time."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

THREADS = max(2, (os.cpu_count() or 2) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def program() -> Path:
    """The binary itself: the script around it costs a Python start each time."""
    envoy = pytest.importorskip("envoy")
    return Path(envoy.__file__).parent / "_bin" / "envoy"


@dataclass(frozen=True)
class Verdict:
    """What Envoy said of one configuration."""

    accepted: bool
    text: str
    """Why not; "" when accepted."""

    @property
    def is_rule(self) -> bool:
        """Whether a rule of the schema was broken, deprecation included."""
        return bool(re.search(r"onstraint validation failed|now-deprecated|Using deprecated", self.text))

    @property
    def is_about_resources(self) -> bool:
        """Whether the text and the rules are right, and something else is missing."""
        return bool(re.search(r"registered|implementation", self.text)) and not self.is_rule


def validate(text: str, extension: str) -> Verdict:
    """Envoy's verdict on one text."""
    with tempfile.NamedTemporaryFile(suffix=extension) as file:
        file.write(text.encode("utf-8", "surrogatepass"))
        file.flush()
        command = [str(program()), "--mode", "validate", "-l", "critical", "-c", file.name]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60)
    found = re.search(r"error initializing configuration '[^']*': (.*)", done.stdout + done.stderr, re.DOTALL)
    return Verdict(done.returncode == 0, "" if done.returncode == 0 else found[1] if found else done.stderr)


def validate_all(texts: Iterable[str], extension: str) -> list[Verdict]:
    """Envoy's verdicts on many texts, in their order."""
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(lambda text: validate(text, extension), texts))
