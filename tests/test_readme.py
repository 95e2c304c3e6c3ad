"""What the README shows is true."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def ferryman(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ferryman", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def shown_configuration() -> str:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.S)
    return str(block)


def test_its_configuration_is_valid(tmp_path: Path) -> None:
    (tmp_path / "envoy.yaml").write_text(shown_configuration())
    done = ferryman(tmp_path, "--mode", "validate", "-c", "envoy.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "configuration 'envoy.yaml' OK\n", "")


def test_its_mistake_is_told_as_shown(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```\n(envoy\.yaml:.*?)```", README, re.S)
    (tmp_path / "envoy.yaml").write_text(shown_configuration().replace("port_value: 8080", "port_vale: 8080"))
    done = ferryman(tmp_path, "check", "envoy.yaml")
    assert done.returncode == 1
    assert done.stdout == f"{shown}configuration 'envoy.yaml' has 1 error\n"


def test_its_quick_command_prints_a_configuration(tmp_path: Path) -> None:
    (command,) = re.findall(r"`ferryman (quick [^`]*)`", README)
    made = ferryman(tmp_path, *command.split(), "--print").stdout
    (tmp_path / "made.yaml").write_text(made)
    assert ferryman(tmp_path, "check", "made.yaml").returncode == 0


def test_what_it_says_is_not_there_is_not_there() -> None:
    (paragraph,) = re.findall(r"^(What files most often need.*?)\n\n", README, re.M | re.S)
    documents = ROOT / "docs"
    not_built = set(
        re.findall(r"^\| `([^`]+)` \|.*\| not yet \|$", (documents / "extensions.md").read_text(), re.M)
    )
    refused = (documents / "not_supported.md").read_text()
    for entry in re.findall(r"^- (?:Refused|Limited): .*(?:\n  .*)*", refused, re.M):
        not_built |= set(re.findall(r"`([^`]+)`", entry))
    names = [name for name in re.findall(r"`([^`]+)`", paragraph) if not name.isupper()]
    assert len(names) >= 8
    assert not [name for name in names if name not in not_built]


def test_the_cluster_types_that_it_says_are_not_there(tmp_path: Path) -> None:
    types = re.findall(r"`([A-Z_]+)`", README)
    assert types
    for name in types:
        cluster = {"name": "a", "type": name, "load_assignment": {"cluster_name": "a"}}
        text = json.dumps({"static_resources": {"clusters": [cluster]}})
        (tmp_path / "envoy.yaml").write_text(text)
        assert f"cluster type {name} is not supported yet" in ferryman(tmp_path, "check", "envoy.yaml").stdout


def test_it_is_one_screen() -> None:
    assert len(README.splitlines()) < 80
