"""The command line: `ferryman` with Envoy's flags, the commands beside them, and the `envoy` front.

Owns which commands there are, what they print and how they end (0: done; 1: an error, told on standard
error). The flags are `envoy_flags.py`'s business, running a proxy is `proxy.py`'s. Everything that only one
command needs is imported by that command: a proxy's start must not pay for the others.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/operations/cli.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from ferryman import ENVOY_API_VERSION, __version__
from ferryman.envoy_flags import THE_OTHER_FLAGS, flags, options_from, without_meaning
from ferryman.errors import ConfigError, FerrymanError
from ferryman.options import Options

_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
_FILES = click.argument("files", nargs=-1, required=True, metavar="FILE…")
_FORMAT = click.option(
    "--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text", help="Default: text."
)


class EnvoyCommandLine(click.Command):
    """A command line that is read as Envoy reads it: `--` ends it, and no flag stands twice."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuses what stands twice, leaves out what Envoy ignores."""
        args = _without_ignored(args, getattr(self, "commands", ()))
        once: set[str | None] = set()
        for parameter in self.make_parser(ctx).parse_args(args=list(args))[2]:
            if isinstance(parameter, click.Option) and not parameter.multiple:
                if parameter.name in once:
                    raise click.UsageError(f"{parameter.opts[-1]} stands twice", ctx)
                once.add(parameter.name)
        return super().parse_args(ctx, args)


class Front(EnvoyCommandLine, click.Group):
    """Envoy's flags, or a command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A file where a command should stand was meant for `-c`."""
        if args[0] not in self.commands and _looks_like_a_file(args[0]):
            raise click.UsageError(f"a configuration file comes after -c: ferryman -c {args[0]}", ctx)
        return super().resolve_command(ctx, args)


def _looks_like_a_file(argument: str) -> bool:
    return os.path.exists(argument) or argument.endswith((".yaml", ".yml", ".json", ".pb", ".pb_text"))


def _without_ignored(args: Sequence[str], commands: Any) -> list[str]:
    for index, argument in enumerate(args):
        if argument in ("--", "--ignore_rest"):
            return list(args[:index])
        if argument in commands:
            break
    return list(args)


def _print_version(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    if not given:
        return
    if context.info_name == "envoy":
        # Programs that start Envoy read this line: revision/version/state/build/TLS library.
        click.echo(f"\n{sys.argv[0]}  version: ferryman-{__version__}/{ENVOY_API_VERSION}/Clean/RELEASE/none")
    else:
        click.echo(f"ferryman {__version__}, Envoy API {ENVOY_API_VERSION}")
    context.exit()


def _version_flag() -> click.Option:
    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_version,
        help="Print the version and end.",
    )


def _serve_from_flags(context: click.Context, values: dict[str, Any]) -> None:
    for line in without_meaning(context):
        click.echo(f"warning: {line}", err=True)
    _run(options_from(values))


def _run(options: Options) -> None:
    from ferryman.proxy import Proxy

    if not options.config_path and not options.config_yaml:
        raise click.UsageError(
            "at least one of --config-path or --config-yaml should be non-empty "
            "(no configuration yet? try `ferryman demo` or `ferryman quick --help`)"
        )
    if options.mode == "validate":
        _validate(options)
        return
    proxy = Proxy.from_options(options)
    if options.mode == "init_only":
        proxy.bind()
        proxy.close()
    else:
        proxy.run()


def _validate(options: Options) -> None:
    from ferryman.config.pipeline import load_bootstrap
    from ferryman.proxy import load_options_of, sources_of

    for warning in load_bootstrap(sources_of(options), load_options_of(options)).warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"configuration '{options.config_path}' OK")


def _envoy(**values: Any) -> None:
    """A proxy that takes Envoy v3 configuration, with Envoy's own flags."""
    _serve_from_flags(click.get_current_context(), values)


def _ferryman(**values: Any) -> None:
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        _serve_from_flags(context, values)
    else:
        context.obj = options_from(values)


envoy = EnvoyCommandLine(
    "envoy",
    callback=_envoy,
    help=_envoy.__doc__,
    params=[*flags(), _version_flag()],
    epilog=THE_OTHER_FLAGS,
    context_settings=_SETTINGS,
)

ferryman = Front(
    "ferryman",
    callback=_ferryman,
    invoke_without_command=True,
    help="An L7 proxy that takes Envoy v3 configuration: `ferryman -c envoy.yaml`.",
    params=[*flags(), _version_flag()],
    epilog=THE_OTHER_FLAGS,
    context_settings=_SETTINGS,
)
ferryman.add_command(envoy)


@ferryman.command(context_settings=_SETTINGS)
@_FILES
@_FORMAT
@click.pass_context
def check(context: click.Context, files: tuple[str, ...], form: str) -> None:
    """Check configuration files; every error is told at once. Ends with 1 if there is any.

    - is standard input, as YAML or JSON.
    """
    from dataclasses import replace

    from ferryman.config.pipeline import check_bootstrap
    from ferryman.judgement import problems_of, tell
    from ferryman.proxy import load_options_of, sources_of

    options: Options = context.obj
    settings = load_options_of(options)
    merged = sources_of(replace(options, config_path=""))
    found = [
        (name, problems_of(name, lambda source: check_bootstrap([source, *merged], settings)))
        for name in files
    ]
    tell(found, form)
    if any(problems.has_errors for _, problems in found):
        context.exit(1)


@ferryman.command(context_settings=_SETTINGS)
@_FILES
@_FORMAT
@click.option("--ignore", multiple=True, metavar="RULE", help="Leave a rule out; may be repeated.")
@click.option("--strict", is_flag=True, help="End with 1 also if there are only warnings.")
@click.pass_context
def lint(
    context: click.Context, files: tuple[str, ...], form: str, ignore: tuple[str, ...], strict: bool
) -> None:
    """Warn of what Envoy takes and what bites later. Ends with 1 if a file cannot be read.

    - is standard input. `# lint: ignore RULE` at the end of a line silences a rule there.
    """
    from ferryman.judgement import problems_of, tell
    from ferryman.lint import run

    unknown = next((rule for rule in ignore if not run.is_known(rule)), None)
    if unknown is not None:
        known = ", ".join(rule.id for rule in run.RULES)
        raise click.UsageError(f"there is no rule {unknown}; there are {known}", context)
    found = [(name, problems_of(name, lambda source: run.lint(source, ignore))) for name in files]
    tell(found, form, {rule.id: (rule.warns_of, rule.link) for rule in run.RULES})
    if any(problems.has_errors or (strict and len(problems)) for _, problems in found):
        context.exit(1)


@ferryman.command(context_settings=_SETTINGS)
@click.option("--from", "listen", required=True, metavar="ADDRESS", help="Where to listen: 127.0.0.1:8080")
@click.option("--to", "targets", required=True, multiple=True, metavar="ADDRESS[,ADDRESS…]",
              help="Where requests go, in turn: 127.0.0.1:9000,127.0.0.1:9001")  # fmt: skip
@click.option("--tcp", is_flag=True, help="Move bytes, whatever they are, instead of HTTP requests.")
@click.option("--admin", metavar="ADDRESS", help="Where the admin pages are: 127.0.0.1:9901")
@click.option("--print", "only_print", is_flag=True, help="Print the configuration (Envoy's) and end.")
@click.pass_context
def quick(
    context: click.Context,
    listen: str,
    targets: tuple[str, ...],
    tcp: bool,
    admin: str | None,
    only_print: bool,
) -> None:
    """Run a proxy without a file, from one address to others.

    An address is 127.0.0.1:8080, [::1]:8080, :8080 (this machine only) or unix:/path.
    """
    from dataclasses import replace

    import yaml

    from ferryman.quick import configuration, parse_address

    endpoints = [parse_address(text) for target in targets for text in target.split(",")]
    made = configuration(
        parse_address(listen), endpoints, admin=parse_address(admin) if admin else None, tcp=tcp
    )
    text = yaml.safe_dump(made, sort_keys=False)
    if only_print:
        click.echo(text, nl=False)
    else:
        _run(replace(context.obj, config_yaml=text))


@ferryman.command(context_settings=_SETTINGS)
@click.argument("request_id", default="", metavar="[REQUEST_ID]")
@click.option(
    "--admin", default="127.0.0.1:9901", metavar="ADDRESS",
    help="Where the proxy's admin pages are: an address, or the path of a socket. Default: 127.0.0.1:9901.",
)  # fmt: skip
@click.option(
    "--connection", default="", metavar="ID", help="What failed on this connection (%CONNECTION_ID%)."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Default: text.")
@click.pass_context
def explain(context: click.Context, request_id: str, admin: str, connection: str, form: str) -> None:
    """Tell why a request ended in an error: the one with this x-request-id, or the latest one.

    Asks a running proxy, which remembers the last 10,000 that it answered with an error itself, or broke off,
    sessions of the TCP proxy and refused connections among them.
    """
    from ferryman.admin_client import ask

    query = {"request_id": request_id, "connection_id": connection, "format": form}
    status, text = ask(admin, "/explain", query)
    click.echo(text, nl=False, err=status != 200)
    if status != 200:
        context.exit(1)


@ferryman.command(context_settings=_SETTINGS)
@click.option("--stay/--no-stay", default=None, help="Stay up until Ctrl-C. Default: at a terminal only.")
@click.pass_context
def demo(context: click.Context, stay: bool | None) -> None:
    """Start sample services and a proxy, send a request through every route, show what happened."""
    from ferryman.demo.tour import run

    terminal = sys.stdout.isatty()
    if not run(terminal=terminal, stay=terminal if stay is None else stay):
        context.exit(1)


def main(arguments: Sequence[str] | None = None) -> None:
    """The `ferryman` command. Ends the process."""
    program = os.path.basename(sys.argv[0])
    command = envoy if program.endswith("envoy") else ferryman
    try:
        ended = command.main(
            args=list(arguments) if arguments is not None else None,
            prog_name=command.name,
            standalone_mode=False,
        )
    except click.ClickException as error:
        path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else command.name
        hint = f" (see {path} --help)" if isinstance(error, click.UsageError) else ""
        click.echo(f"error: {error.format_message()}{hint}", err=True)
        sys.exit(1)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except FerrymanError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    sys.exit(ended if isinstance(ended, int) else 0)
