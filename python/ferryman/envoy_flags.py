"""Envoy's 44 command line flags: their names, kinds and meaning, and the way from them to `Options`.

Owns the table of flags, which of them mean nothing here, and what is wrong with a value. Commands and what
they do are `cli.py`'s business.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/cli.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

import click

from ferryman.api.suggestions import did_you_mean
from ferryman.options import DEFAULT_LOG_FORMAT, LOG_COMPONENTS, LogLevel, Options

_NO_HOT_RESTART = "there is no hot restart"
_NO_CONTROL_PLANE = "xDS is not supported yet, so nothing comes from a control plane"

WITHOUT_MEANING = {
    "base_id": f"{_NO_HOT_RESTART}, so processes need no ID to stay apart",
    "use_dynamic_base_id": f"{_NO_HOT_RESTART}, so processes need no ID to stay apart",
    "base_id_path": f"{_NO_HOT_RESTART}, so there is no ID to write",
    "parent_shutdown_time_s": f"{_NO_HOT_RESTART}, so no parent to shut down",
    "skip_hot_restart_on_no_parent": f"{_NO_HOT_RESTART}, so no parent to look for",
    "skip_hot_restart_parent_stats": f"{_NO_HOT_RESTART}, so no parent to copy stats from",
    "socket_path": f"{_NO_HOT_RESTART}, so no socket for it",
    "socket_mode": f"{_NO_HOT_RESTART}, so no socket for it",
    "reject_unknown_dynamic_fields": _NO_CONTROL_PLANE,
    "ignore_unknown_dynamic_fields": _NO_CONTROL_PLANE,
    "local_address_ip_version": "the IPv4 address of this machine is taken where one is asked for",
    "disabled_extensions": "extensions that are built cannot be switched off; all others are refused anyway",
    "enable_mutex_tracing": "workers share no mutex that could be traced",
    "enable_fine_grain_logging": "log levels are set by component, not by file",
    "log_stacktrace_single_entry": "no stack traces are logged",
}
"""Flags that are taken and do nothing, each with the reason that the user is told."""


def flag_of(name: str) -> str:
    """The flag of a parameter: `--base-id` of `base_id`."""
    return "--disable-extensions" if name == "disabled_extensions" else f"--{name.replace('_', '-')}"


def without_meaning(context: click.Context) -> list[str]:
    """A line for each flag that was given and does nothing here."""
    return [
        f"{flag_of(name)} has no effect: {reason}"
        for name, reason in WITHOUT_MEANING.items()
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]


def options_from(values: Mapping[str, Any]) -> Options:
    """The options that the parsed flags stand for."""
    fields = {name: value for name, value in values.items() if name in Options.__dataclass_fields__}
    fields["allow_unknown_static_fields"] |= values["allow_unknown_fields"]
    return Options(**fields)


def flags() -> list[click.Parameter]:
    """All of Envoy's flags but `--help`, as fresh click options, in the order of Envoy's page."""
    return [
        _text("-c", "--config-path", help="File of the bootstrap configuration."),
        _text("--config-yaml", help="Inline configuration, merged over --config-path."),
        _choice("--mode", ["serve", "validate", "init_only"],
                help="validate only checks the configuration; init_only also binds, then ends."),
        _number("--concurrency", None, help="Worker threads. Default: the CPUs granted to this process."),
        _switch("--cpuset-threads", help="Take the number of workers from the CPU set, as is done anyway."),
        *_log_flags(),
        _text("--service-cluster", help="Cluster name of this node."),
        _text("--service-node", help="Name of this node."),
        _text("--service-zone", help="Zone of this node."),
        _text("--admin-address-path", help="File that the admin address is written to."),
        _number("--restart-epoch", 0,
                help="Above 0, ports may be shared with a process that listens on them already."),
        _number("--drain-time-s", 600, help="Seconds that a drain may take."),
        _choice("--drain-strategy", ["gradual", "immediate"], help="How connections are asked to close."),
        _number("--file-flush-interval-msec", 10_000, help="Milliseconds between flushes of access logs."),
        _number("--file-flush-min-size-kb", 64, help="KiB of access log that are flushed at once."),
        _switch("--allow-unknown-static-fields", help="Let unknown fields in files pass."),
        _switch("--allow-unknown-fields", help="The old name of --allow-unknown-static-fields."),
        click.Option(["--stats-tag", "stats_tags"], multiple=True, callback=_stats_tags, metavar="TAG:VALUE",
                     help="A tag for every stat; may be repeated."),
        *_without_meaning_flags(),
        _switch("--enable-core-dump", help="Raise the limit for core dumps."),
        click.Option(["--hot-restart-version"], is_flag=True, is_eager=True, expose_value=False,
                     callback=_print_hot_restart_version, help="Print 'disabled' and end."),
        click.Option(["--ignore_rest"], is_flag=True, expose_value=False,
                     help="Ignore what follows, as -- does."),
    ]  # fmt: skip


def _log_flags() -> list[click.Parameter]:
    return [
        click.Option(["-l", "--log-level"], default="info", callback=_log_level, metavar="LEVEL",
                     help="One of " + ", ".join(get_args(LogLevel)) + ". Default: info."),
        _text("--component-log-level", parameter="component_log_levels", callback=_component_log_levels,
              metavar="COMPONENT:LEVEL,…", help="Log levels of components: upstream:debug,config:trace"),
        click.Option(["--log-format"], default=DEFAULT_LOG_FORMAT, metavar="FORMAT",
                     help=f"Form of the application log, in spdlog's syntax. Default: {DEFAULT_LOG_FORMAT}"),
        _switch("--log-format-escaped", help="Escape control characters in the application log."),
        _text("--log-path", help="File of the application log. Default: standard error."),
        _switch("--skip-deprecated-logs", help="Do not warn of deprecated fields."),
    ]  # fmt: skip


def _without_meaning_flags() -> list[click.Parameter]:
    """They are not shown by `--help` one by one; `THE_OTHER_FLAGS` names them."""
    declared: dict[str, Any] = {
        "base_id": {"type": click.INT, "callback": _uint32, "default": 0},
        "parent_shutdown_time_s": {"type": click.INT, "callback": _uint32, "default": 900},
        "disabled_extensions": {"default": "", "callback": _extension_names},
        "local_address_ip_version": {"type": click.Choice(["v4", "v6"]), "default": "v4"},
        "base_id_path": {"default": ""},
        "socket_path": {"default": "@envoy_domain_socket"},
        "socket_mode": {"default": "600"},
    }
    switch = {"is_flag": True}
    return [
        click.Option([flag_of(name), name], hidden=True, **declared.get(name, switch))
        for name in [*WITHOUT_MEANING, "disable_hot_restart"]
    ]


THE_OTHER_FLAGS = "Taken, but without effect: " + ", ".join(map(flag_of, WITHOUT_MEANING)) + "."


Callback = Callable[[click.Context, click.Parameter, Any], Any]


def _text(
    *names: str,
    parameter: str | None = None,
    callback: Callback | None = None,
    metavar: str = "TEXT",
    help: str,
) -> click.Option:
    declared = [*names, parameter] if parameter else list(names)
    return click.Option(declared, default="", callback=callback, metavar=metavar, help=help)


def _choice(name: str, words: list[str], *, help: str) -> click.Option:
    shown = f"{help} One of {', '.join(words)}. Default: {words[0]}."
    return click.Option([name], type=click.Choice(words), default=words[0], metavar="WORD", help=shown)


def _number(name: str, default: int | None, *, help: str) -> click.Option:
    shown = help if default is None else f"{help} Default: {default}."
    return click.Option(
        [name], type=click.INT, callback=_uint32, default=default, metavar="NUMBER", help=shown
    )


def _switch(name: str, *, help: str) -> click.Option:
    return click.Option([name], is_flag=True, help=help)


def _uint32(context: click.Context, parameter: click.Parameter, value: int | None) -> int | None:
    if value is not None and not 0 <= value < 2**32:
        raise click.BadParameter(f"{value} is not in 0 to 2^32-1")
    return value


def _level(text: str) -> LogLevel:
    level = "warning" if text == "warn" else text
    if level not in get_args(LogLevel):
        raise click.BadParameter(
            f"invalid log level specified '{text}'; one of {', '.join(get_args(LogLevel))}"
        )
    return cast(LogLevel, level)


def _log_level(context: click.Context, parameter: click.Parameter, text: str) -> LogLevel:
    return _level(text)


def _component_log_levels(
    context: click.Context, parameter: click.Parameter, text: str
) -> tuple[tuple[str, LogLevel], ...]:
    pairs = []
    for entry in text.split(",") if text else []:
        component, _, level = entry.partition(":")
        if entry.count(":") != 1 or not component:
            raise click.BadParameter(f"component log level not correctly specified '{entry}'")
        if component not in LOG_COMPONENTS:
            meant = did_you_mean(component, LOG_COMPONENTS)
            raise click.BadParameter(
                "; ".join(filter(None, [f"invalid component specified '{component}'", meant]))
            )
        pairs.append((component, _level(level)))
    return tuple(pairs)


def _extension_names(context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _stats_tags(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    pairs = []
    for text in texts:
        tag, colon, value = text.partition(":")
        if not colon:
            raise click.BadParameter(f"misformatted stats-tag '{text}'; the form is tag:value")
        if not re.fullmatch(r"[A-Za-z0-9]+", tag) or not re.fullmatch(r"[^.]+", value):
            raise click.BadParameter(
                f"misformatted stats-tag '{text}'; a tag has letters and digits only, a value no dot"
            )
        pairs.append((tag, value))
    return tuple(pairs)


def _print_hot_restart_version(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    if given:
        click.echo("disabled", err=True)
        context.exit()
