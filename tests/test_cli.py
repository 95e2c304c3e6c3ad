"""The command line: Envoy's flags and what they become, what is refused, how commands end."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ferryman import ENVOY_API_VERSION, cli, envoy_flags
from ferryman.errors import StartError
from ferryman.options import LOG_COMPONENTS, Options
from ferryman.proxy import Proxy

ENVOYS_FLAGS = {
    "--config-path": "a", "--config-yaml": "a", "--mode": "serve", "--concurrency": "2", "--base-id": "3",
    "--base-id-path": "a", "--use-dynamic-base-id": None, "--restart-epoch": "1",
    "--disable-hot-restart": None,
    "--parent-shutdown-time-s": "1", "--drain-time-s": "1", "--drain-strategy": "immediate",
    "--skip-hot-restart-on-no-parent": None, "--skip-hot-restart-parent-stats": None, "--socket-path": "a",
    "--socket-mode": "600", "--admin-address-path": "a", "--local-address-ip-version": "v6",
    "--log-level": "debug", "--component-log-level": "http:debug", "--log-path": "a", "--log-format": "%v",
    "--log-format-escaped": None, "--log-stacktrace-single-entry": None, "--enable-fine-grain-logging": None,
    "--skip-deprecated-logs": None, "--file-flush-interval-msec": "1", "--file-flush-min-size-kb": "1",
    "--service-cluster": "a", "--service-node": "a", "--service-zone": "a", "--stats-tag": "a:b",
    "--allow-unknown-fields": None, "--allow-unknown-static-fields": None,
    "--reject-unknown-dynamic-fields": None, "--ignore-unknown-dynamic-fields": None,
    "--disable-extensions": "a/b", "--enable-mutex-tracing": None, "--cpuset-threads": None,
    "--enable-core-dump": None,
}  # fmt: skip
THAT_END = ("--version", "--help", "--hot-restart-version", "--ignore_rest")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process: exit code, standard output, standard error."""

    def run_with(*arguments: str, program: str = "ferryman") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return code, printed.out, printed.err

    return run_with


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """Keeps proxies from running; has the options that they would have run with."""
    kept: list[Options] = []

    class NoProxy:
        def run(self) -> None:
            pass

    def from_options(options: Options) -> Any:
        kept.append(options)
        return NoProxy()

    monkeypatch.setattr(Proxy, "from_options", from_options)
    return kept


def test_there_are_44_flags() -> None:
    declared = {name for flag in cli.envoy.params for name in flag.opts if name.startswith("--")} | {"--help"}
    assert declared == {*ENVOYS_FLAGS, *THAT_END}
    assert len(declared) == 44


@pytest.mark.parametrize("flag", ENVOYS_FLAGS)
def test_each_flag_is_taken(flag: str, run: Run, served: list[Options]) -> None:
    value = ENVOYS_FLAGS[flag]
    arguments = [flag] if value is None else [flag, value]
    code, out, _ = run("--config-yaml", "{}", *arguments) if flag != "--config-yaml" else run(*arguments)
    assert (code, out, len(served)) == (0, "", 1)


def test_flags_become_options(run: Run, served: list[Options]) -> None:
    run(
        *("-c", "e.yaml", "--concurrency", "3", "-l", "warn", "--component-log-level", "http:trace,pool:off"),
        *(
            "--stats-tag",
            "a:b",
            "--stats-tag",
            "c:d:e",
            "--disable-extensions",
            "x/y,z/w",
            "--drain-time-s",
            "0",
        ),
        *(
            "--drain-strategy",
            "immediate",
            "--allow-unknown-fields",
            "--service-node",
            "n",
            "--log-path",
            "l",
        ),
    )
    assert served == [
        Options(
            config_path="e.yaml",
            concurrency=3,
            log_level="warning",
            component_log_levels=(("http", "trace"), ("pool", "off")),
            stats_tags=(("a", "b"), ("c", "d:e")),
            disabled_extensions=("x/y", "z/w"),
            drain_time_s=0,
            drain_strategy="immediate",
            allow_unknown_static_fields=True,
            service_node="n",
            log_path="l",
        )
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--bogus"], "--bogus"),
        (["-c"], "-c"),
        (["-c", "a", "--config-path", "b"], "stands twice"),
        (["--mode", "foo"], "'foo'"),
        (["-l", "DEBUG"], "invalid log level specified 'DEBUG'"),
        (["--component-log-level", "upstream"], "component log level not correctly specified 'upstream'"),
        (["--component-log-level", "upstream:loud"], "invalid log level specified 'loud'"),
        (["--component-log-level", "upsteam:debug"], "'upsteam'; did you mean upstream?"),
        (["--component-log-level", "http:debug,"], "component log level not correctly specified ''"),
        (["--concurrency", "x"], "'x'"),
        (["--concurrency", "-1"], "-1"),
        (["--concurrency", "4294967296"], "4294967296"),
        (["--drain-strategy", "Gradual"], "'Gradual'"),
        (["--local-address-ip-version", "v5"], "'v5'"),
        (["--stats-tag", "foo"], "misformatted stats-tag 'foo'"),
        (["--stats-tag", "foo:a.b"], "misformatted stats-tag 'foo:a.b'"),
        (["--stats-tag", "f_o:a"], "misformatted stats-tag 'f_o:a'"),
        (["positional"], "positional"),
    ],
)
@pytest.mark.parametrize("program", ["ferryman", "/usr/bin/envoy"])
def test_what_is_refused(arguments: list[str], reason: str, program: str, run: Run) -> None:
    code, out, err = run(*arguments, program=program)
    assert (code, out) == (1, "")
    assert err.startswith("error: ") and err.count("\n") == 1
    assert reason in err


@pytest.mark.parametrize("arguments", [[], ["--mode", "validate"], ["-c", ""]])
def test_no_configuration(arguments: list[str], run: Run) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert "at least one of --config-path or --config-yaml should be non-empty" in err


def test_log_components_are_those_of_the_data_plane() -> None:
    # What Envoy answers, and the data plane with it.
    shown = (Path(__file__).parent / "admin" / "golden" / "logging").read_text().splitlines()
    assert [line.strip().partition(":")[0] for line in shown if line.startswith("  ")] == [*LOG_COMPONENTS]


@pytest.mark.parametrize("rest", [["--", "--bogus"], ["--ignore_rest", "--bogus", "positional"]])
def test_what_follows_is_ignored(rest: list[str], run: Run, served: list[Options]) -> None:
    assert run("-c", "a", *rest)[0] == 0
    assert served[0].config_path == "a"


@pytest.mark.parametrize("name", envoy_flags.WITHOUT_MEANING)
def test_flags_without_meaning_warn_once(name: str, run: Run, served: list[Options]) -> None:
    flag = envoy_flags.flag_of(name)
    value = ENVOYS_FLAGS[flag]
    code, _, err = run("-c", "a", *([flag] if value is None else [flag, value]))
    assert code == 0
    assert err == f"warning: {flag} has no effect: {envoy_flags.WITHOUT_MEANING[name]}\n"


def test_flags_with_meaning_do_not_warn(run: Run, served: list[Options]) -> None:
    assert run("-c", "a", "--disable-hot-restart", "--cpuset-threads") == (0, "", "")


def test_an_error_at_start_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(options: Options) -> Proxy:
        raise StartError("cannot bind 127.0.0.1:80: permission denied")

    monkeypatch.setattr(Proxy, "from_options", fail)
    assert run("-c", "a") == (1, "", "error: cannot bind 127.0.0.1:80: permission denied\n")


def test_version(run: Run) -> None:
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("ferryman ") and out.endswith(f"Envoy API {ENVOY_API_VERSION}\n")


def test_version_as_envoy(run: Run) -> None:
    code, out, _ = run("--version", program="/opt/bin/envoy")
    assert code == 0
    first, version, end = out.split("\n")
    assert (first, end) == ("", "")
    assert version.startswith("/opt/bin/envoy  version: ")
    assert version.split("version: ")[1].split("/")[1] == ENVOY_API_VERSION


def test_hot_restart_version(run: Run) -> None:
    assert run("--hot-restart-version") == (0, "", "disabled\n")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_flags_and_commands(flag: str, run: Run) -> None:
    code, out, _ = run(flag)
    assert code == 0
    for word in ("--config-path", "--drain-time-s", "check", "quick", "demo"):
        assert word in out


@pytest.mark.parametrize("program", [["ferryman", "envoy"], ["/usr/local/bin/envoy"]])
def test_the_envoy_front_has_no_commands(program: list[str], run: Run, served: list[Options]) -> None:
    assert run(*program[1:], "-c", "a", program=program[0])[0] == 0
    assert run(*program[1:], "quick", program=program[0])[0] == 1


GOOD = "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n"
BAD = "admim: {}\nnode: {id: 1}\n"


def test_validate(run: Run, tmp_path: Any) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    name = str(tmp_path / "good.yaml")
    assert run("--mode", "validate", "-c", name)[:2] == (0, f"configuration '{name}' OK\n")
    assert run("--mode", "validate", "--config-yaml", GOOD)[:2] == (0, "configuration '' OK\n")


def test_validate_tells_every_error(run: Run, tmp_path: Any) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    code, out, err = run("--mode", "validate", "-c", str(tmp_path / "bad.yaml"))
    assert (code, out) == (1, "")
    assert "bad.yaml:1:1: " in err and "bad.yaml:2:" in err
    assert "Traceback" not in err


def test_a_file_that_is_not_there(run: Run) -> None:
    code, out, err = run("-c", "/nowhere/e.yaml")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "/nowhere/e.yaml" in err


def test_check_several_files(run: Run, tmp_path: Any) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    code, out, _ = run("check", str(tmp_path / "good.yaml"), str(tmp_path / "bad.yaml"))
    assert code == 1
    assert f"configuration '{tmp_path}/good.yaml' OK\n" in out
    assert "bad.yaml:1:1: error: " in out
    assert run("check", str(tmp_path / "good.yaml"))[0] == 0


def test_check_as_json_and_sarif(run: Run, tmp_path: Any) -> None:
    import json

    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "worse.yaml").write_text(BAD + "x: 1\n")
    files = [str(tmp_path / "bad.yaml"), str(tmp_path / "worse.yaml")]
    code, out, _ = run("check", "--format", "json", *files)
    assert code == 1
    assert {row["file"] for row in json.loads(out)} == set(files)
    code, out, _ = run("check", "--format", "sarif", *files)
    log = json.loads(out)
    assert (code, log["version"]) == (1, "2.1.0")
    uris = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for one in log["runs"]
        for result in one["results"]
    }
    assert uris == set(files)


def test_check_of_a_missing_file_goes_on(run: Run, tmp_path: Any) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    code, out, _ = run("check", "/nowhere/e.yaml", str(tmp_path / "bad.yaml"))
    assert code == 1
    assert "/nowhere/e.yaml: error: cannot be read" in out and "bad.yaml:1:1" in out
    _, out, _ = run("check", "--format", "json", "/nowhere/e.yaml")
    assert '"file": "/nowhere/e.yaml"' in out


def test_check_ends_with_a_count(run: Run, tmp_path: Any) -> None:
    bad, warned = tmp_path / "bad.yaml", tmp_path / "warned.yaml"
    bad.write_text(BAD)
    warned.write_text(GOOD + "node: {}\nnode: {}\n")
    lines = run("check", str(bad), str(warned))[1].splitlines()
    assert f"configuration '{bad}' has 2 errors" in lines
    assert lines[-1] == f"configuration '{warned}' OK, 1 warning"


def test_check_reads_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, code, place in ((GOOD, 0, "configuration '-' OK"), (BAD, 1, "<stdin>:1:1: error: ")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        ended, out, _ = run("check", "-")
        assert ended == code and place in out


@pytest.mark.parametrize("name", ["there", "envoy.yaml", "no/envoy.json"])
def test_a_file_alone_is_told_of_its_flag(
    name: str, run: Run, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").write_text(GOOD)
    code, out, err = run(name)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"ferryman -c {name}" in err


EXPOSED = "admin: {address: {socket_address: {address: 0.0.0.0, port_value: 0}}}\n"


def test_lint(run: Run, tmp_path: Any) -> None:
    name = str(tmp_path / "e.yaml")
    (tmp_path / "e.yaml").write_text(EXPOSED)
    code, out, _ = run("lint", name)
    assert code == 0
    assert f"{name}:1:45: warning: admin.address.socket_address.address: " in out
    assert "see docs/lint.md#admin-exposed\n" in out
    assert out.endswith(f"configuration '{name}' OK, 1 warning\n")
    assert run("lint", "--strict", name)[0] == 1
    assert run("lint", "--strict", "--ignore", "admin-exposed", name)[:2] == (
        0,
        f"configuration '{name}' OK\n",
    )
    code, _, err = run("lint", "--ignore", "bogus", name)
    assert code == 1 and "there is no rule bogus; there are stream-timeout, " in err
    assert run("lint", "/nowhere/e.yaml")[0] == 1


def test_lint_as_json_and_sarif(run: Run, tmp_path: Any) -> None:
    import json

    (tmp_path / "e.yaml").write_text(EXPOSED)
    [row] = json.loads(run("lint", "--format", "json", str(tmp_path / "e.yaml"))[1])
    assert (row["code"], row["severity"], row["line"]) == ("admin-exposed", "warning", 1)
    log = json.loads(run("lint", "--format", "sarif", str(tmp_path / "e.yaml"))[1])
    [rule] = log["runs"][0]["tool"]["driver"]["rules"]
    assert rule["help"] == {"text": "see docs/lint.md#admin-exposed"}


def test_quick_prints_its_configuration(run: Run) -> None:
    code, out, _ = run("quick", "--from", ":8080", "--to", "127.0.0.1:9000,127.0.0.1:9001", "--print")
    assert code == 0
    assert "port_value: 8080" in out and "port_value: 9001" in out
    assert run("--mode", "validate", "--config-yaml", out)[0] == 0


@pytest.mark.parametrize("bad", ["8080x", "example.com:80", "127.0.0.1:70000", "unix:", "[::1"])
def test_quick_refuses_addresses(bad: str, run: Run) -> None:
    code, out, err = run("quick", "--from", bad, "--to", "127.0.0.1:1")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert bad in err


def test_quick_runs_with_the_flags_before_it(run: Run, served: list[Options]) -> None:
    run("--concurrency", "1", "-l", "error", "quick", "--from", "127.0.0.1:0", "--to", "[::1]:9", "--tcp")
    assert (served[0].concurrency, served[0].log_level) == (1, "error")
    assert "tcp_proxy" in served[0].config_yaml and "::1" in served[0].config_yaml
