"""Format strings: text and command operators, `%NAME(argument):length%`, cut into a model.Format.

Owns the grammar and every check that needs no stream: unknown operators, missing and superfluous arguments,
lengths where none is allowed, names of headers that cannot be. JSON formats are made of the same parts.

Follows https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/advanced/substitution_formatter
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ferryman.config import model, operators
from ferryman.config.data_source import forbidden_path
from ferryman.config.fields import refuse
from ferryman.config.native_checks import check_operator

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor

DEFAULT_TEXT: Final = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% '
    "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" '
    '"%UPSTREAM_HOST%"\n'
)
"""What Envoy logs when no format is given."""

# The argument is the shortest that lets the rest match, so it may hold `)` and `%`, but no line end.
_COMMAND: Final = re.compile(r"%([A-Z0-9_]+)(?:\((.*?)\))?(?::([0-9]+))?%")
_MAX_LENGTH: Final = 2**64 - 1
_HEADER_NAME: Final = re.compile(r":?[!#$%&'*+\-.^_`|~0-9A-Za-z]*")


def lower_format(
    cursor: Cursor, text: str, field: str | None, added: frozenset[str] = frozenset()
) -> model.Format:
    """The parts of a format string; what is wrong with it is reported at `field` of the cursor.

    `added`: names of operators that formatters add to those that are always there.
    """
    if "%" not in text:
        return [model.Literal(text=text)] if text else []
    parts: list[model.Literal | model.Operator] = []
    literal = ""
    at = 0
    while (found := text.find("%", at)) >= 0:
        literal += text[at:found]
        if text.startswith("%%", found):
            literal += "%"
            at = found + 2
            continue
        command = _COMMAND.match(text, found)
        if command is None or int(command[3] or 0) > _MAX_LENGTH:
            _report_no_command(cursor, text, found, field)
            return parts
        if literal:
            parts.append(model.Literal(text=literal))
            literal = ""
        parts.append(_lower_command(cursor, command, field, added))
        at = command.end()
    literal += text[at:]
    if literal:
        parts.append(model.Literal(text=literal))
    return parts


def _report_no_command(cursor: Cursor, text: str, at: int, field: str | None) -> None:
    shown = text[at : at + 30].rstrip("\n")
    cursor.problem(
        f"no command operator can be read at character {at + 1}: `{shown}`",
        "an operator is written %NAME%, %NAME(argument)% or %NAME(argument):length%, a percent sign %%",
        field,
        "format",
    )


def _lower_command(
    cursor: Cursor, command: re.Match[str], field: str | None, added: frozenset[str]
) -> model.Operator:
    name, argument = command[1], command[2] or None
    length = int(command[3]) if command[3] is not None else None
    formatter = operators.NEED_FORMATTERS.get(name)
    complaint = _complaint(name, argument, length)
    if formatter is not None and name not in added and name not in operators.BUILT_BY_FORMATTERS:
        refuse(cursor, f"{formatter} is not supported yet", field=field)
    elif formatter is not None and name not in added:
        cursor.problem(f"%{name}% needs a formatter", f"list {formatter} under formatters", field, "format")
    elif complaint is not None:
        cursor.problem(complaint, _name_hint(name), field, "format")
    elif name in operators.NOT_BUILT:
        refuse(cursor, f"%{name}% is not supported yet", field=field)
    elif name == operators.FILE_CONTENT:
        _check_file(cursor, argument or "", field)
    else:
        check_operator(cursor, name, argument, field)
    return model.Operator(name=name, argument=argument, max_length=length)


def _name_hint(name: str) -> str | None:
    if name in operators.OPERATORS:
        return None
    near = difflib.get_close_matches(name, operators.OPERATORS, n=1)
    return f"did you mean %{near[0]}%?" if near else None


def _complaint(name: str, argument: str | None, length: int | None) -> str | None:
    """What Envoy has against an operator, or None."""
    if name not in operators.OPERATORS and name not in operators.NEED_FORMATTERS:
        return f"Envoy 1.40 has no command operator %{name}%"
    if argument is None and name in operators.ARGUMENT_REQUIRED:
        return f"%{name}% needs an argument: %{name}(...)%"
    if argument is not None and name not in operators.ARGUMENT_REQUIRED | operators.ARGUMENT_OPTIONAL:
        return f"%{name}% takes no argument"
    if length is not None and name not in operators.LENGTH_ALLOWED:
        return f"%{name}% takes no length"
    return _argument_complaint(name, argument) if argument is not None else None


def _check_file(cursor: Cursor, argument: str, field: str | None) -> None:
    """Report what is wrong with the `PATH` or `PATH:FOLDER` of %FILE_CONTENT%."""
    parts = [part for part in argument.split(":") if part]
    if not 1 <= len(parts) <= 2:
        text = f"%{operators.FILE_CONTENT}% takes PATH or PATH:FOLDER, not `{argument}`"
        cursor.problem(text, None, field, "format")
        return
    complaint = forbidden_path(parts[0])
    if complaint is None:
        try:
            with Path(parts[0]).open("rb") as file:
                file.read(1)
        except IsADirectoryError:
            pass  # to Envoy, an empty file
        except OSError as error:
            complaint = error.strerror or str(error)
    if complaint is not None:
        cursor.problem(f"cannot read {parts[0]}: {complaint}", None, field)
    for folder in parts[1:]:
        if not Path(folder).exists():
            cursor.problem(f"cannot watch {folder}: there is no such directory", None, field)


def _argument_complaint(name: str, argument: str) -> str | None:
    choices = operators.OPTIONS.get(name)
    if choices is not None and argument.partition(":")[0] not in choices:
        return f"%{name}% takes one of {', '.join(choices)}, not `{argument}`"
    if name in operators.HEADER_OPERATORS:
        names = argument.split("?")
        if len(names) > 2:
            return f"%{name}% takes one other header at most: `{argument}`"
        for header in names:
            if not _HEADER_NAME.fullmatch(header):
                return f"`{header}` is not the name of a header"
    return None


def lower_json_format(
    cursor: Cursor, struct: Any, field: str | None, added: frozenset[str] = frozenset()
) -> model.JsonObject:
    """A Struct whose strings are formats. Fields come out by name: that is Envoy's order in the log.

    `struct` is the value of `field` of the cursor, or what the cursor stands on if that is None. What is
    wrong with a format is reported at its key.
    """
    here = cursor if field is None else cursor.below(struct, field)
    fields = [
        (name, _json_value(here.below(struct.fields[name], name), added)) for name in sorted(struct.fields)
    ]
    return model.JsonObject(fields=fields)


def _json_value(cursor: Cursor, added: frozenset[str]) -> model.JsonValue:
    value = cursor.message
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return model.JsonFormat(format=lower_format(cursor, value.string_value, None, added))
    if kind == "struct_value":
        return lower_json_format(cursor, value.struct_value, None, added)
    if kind == "list_value":
        items = enumerate(value.list_value.values)
        return model.JsonArray(
            elements=[_json_value(cursor.below(item, index), added) for index, item in items]
        )
    if kind == "number_value":
        return model.JsonNumber(value=value.number_value)
    if kind == "bool_value":
        return model.JsonBool(value=value.bool_value)
    return model.JsonNull()
