"""The command line against the real Envoy's: the same flags, the same values taken and refused."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from ferryman import cli
from harness.proxy_process import binary

NOT_IN_ENVOYS_HELP = {"--help", "--ignore_rest"}

ARGUMENTS = [
    [], ["--bogus"], ["-c"], ["-c", "a", "-c", "b"], ["--mode", "foo"], ["--mode", "Serve"], ["-l", "bogus"],
    ["-l", "DEBUG"], ["-l", "warn"], ["-l", "warning"], ["-l", ""], ["-l", "off", "-l", "info"],
    ["--component-log-level", "upstream"], ["--component-log-level", "upstream:bogus"],
    ["--component-log-level", "bogus:debug"], ["--component-log-level", "http:debug,http:info"],
    ["--component-log-level", "upstream:debug,config:trace"], ["--component-log-level", ""],
    ["--component-log-level", "http:debug,"], ["--component-log-level", ":debug"],
    ["--component-log-level", "http:debug:x"], ["--concurrency", "x"], ["--concurrency", "0"],
    ["--concurrency", "4294967296"], ["--concurrency", "0x10"], ["--drain-strategy", "foo"],
    ["--drain-strategy", "immediate"], ["--drain-time-s", "1s"], ["--drain-time-s", "0"],
    ["--local-address-ip-version", "v5"], ["--local-address-ip-version", "v6"],
    ["--stats-tag", "foo"], ["--stats-tag", "foo:a.b"], ["--stats-tag", "f_o:a"], ["--stats-tag", "a:b:c"],
    ["--stats-tag", "a:"], ["--stats-tag", "a:b", "--stats-tag", "c:d"], ["--allow-unknown-fields"],
    ["--base-id", "3", "--use-dynamic-base-id"], ["--service-node", ""], ["--restart-epoch", "1"],
    ["--cpuset-threads", "--concurrency", "2"], ["--log-path", "/nowhere/log"], ["positional"],
    ["--disable-extensions", "foo"], ["--socket-mode", "abc"], ["--ignore_rest", "--bogus"],
    ["--", "--bogus"],
]  # fmt: skip


def envoys_flags() -> set[str]:
    command = [*binary("envoy"), "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^   (?:-\w(?: <string>)?,  )?(--[a-z-]+)", shown, re.M)) - {"--"}


@pytest.mark.oracle
def test_the_flags_are_envoys() -> None:
    declared = {name for flag in cli.envoy.params for name in flag.opts if name.startswith("--")}
    assert declared - NOT_IN_ENVOYS_HELP == envoys_flags() - NOT_IN_ENVOYS_HELP


@pytest.mark.oracle
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
def test_the_same_is_taken_and_refused(arguments: list[str], tmp_path: Path) -> None:
    codes = {}
    for which in ("envoy", "ferryman"):
        command = [*binary(which), "--mode", "validate", "--config-yaml", "{}", *arguments]
        if "--mode" in arguments:
            command = [*binary(which), "--config-yaml", "{}", *arguments]
        codes[which] = subprocess.run(command, capture_output=True, cwd=tmp_path, timeout=30).returncode
    assert codes["ferryman"] == codes["envoy"]
