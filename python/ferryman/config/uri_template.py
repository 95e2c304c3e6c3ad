"""URI templates: paths with variables, matched and rewritten.

Owns the grammar of both templates, and their translation: a template to match becomes a regular expression
for the whole path, one to rewrite with becomes a substitution in it. The data plane knows neither.

Follows `envoy.path.match.uri_template` and `envoy.path.rewrite.uri_template`. A path is made of segments: a
literal, `*` (one segment), `**` (all that is left, with its slashes), a variable `{name}` or
`{name=segments}`, or a variable between literals. A path's query takes no part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ferryman.config import model
from ferryman.config.fields import Fields, refuse

if TYPE_CHECKING:
    from ferryman.config.cursor import Cursor

MATCH: Final = Fields("envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig", "path_template")
REWRITE: Final = Fields(
    "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig", "path_template_rewrite"
)

_CHARACTERS: Final = r"[a-zA-Z0-9\-._~%!$&'()*+,;:@="
_SEGMENT: Final = _CHARACTERS + "]+"
_SEGMENTS: Final = _CHARACTERS + "/]*"
_LITERAL: Final = re.compile(r"[a-zA-Z0-9\-._~%!$&'()*+,;:@=]+")
_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,15}")
_MAX_VARIABLES: Final = 5


class _BadTemplate(Exception):
    """What is wrong with a template."""


class _NotBuilt(Exception):
    """What of Envoy's templates is not built."""


@dataclass
class _Translation:
    """A template on its way to a regular expression."""

    regex: str = ""
    variables: list[str] = field(default_factory=list)
    has_rest: bool = False
    """Whether a `**` stands in it: nothing that could take as much may follow."""

    def add_segments(self, segments: list[str], *, in_variable: bool) -> None:
        for index, segment in enumerate(segments):
            if index or not in_variable:
                self.regex += "/"
            self._add(segment, in_variable=in_variable, is_last=index == len(segments) - 1)

    def _add(self, segment: str, *, in_variable: bool, is_last: bool) -> None:
        if segment in ("*", "**"):
            if self.has_rest:
                raise _BadTemplate(f"`{segment}` stands after a `**`")
            self.has_rest = segment == "**"
            self.regex += _SEGMENTS if self.has_rest else _SEGMENT
        elif "{" in segment and not in_variable:
            self._add_variable(segment)
        elif segment or (is_last and not in_variable):
            self._add_literal(segment)
        else:
            raise _BadTemplate("a segment is empty")

    def _add_literal(self, text: str) -> None:
        if text and not _LITERAL.fullmatch(text):
            raise _BadTemplate(f"`{text}` cannot stand in a path")
        if "*" in text:
            raise _NotBuilt(f"a `*` within the segment `{text}`")
        self.regex += re.sub(r"([.$+()!*])", r"\\\1", text)

    def _add_variable(self, segment: str) -> None:
        before, _, rest = segment.partition("{")
        inner, closing, after = rest.partition("}")
        if not closing:
            raise _BadTemplate(f"`{segment}` lacks a closing bracket")
        if "{" in after or "}" in after:
            raise _BadTemplate(f"`{segment}` has more than one variable")
        name, equals, pattern = inner.partition("=")
        if not _NAME.fullmatch(name):
            raise _BadTemplate(f"`{name}` is no name of a variable")
        if name in self.variables:
            raise _BadTemplate(f"the variable `{name}` stands twice in it")
        if len(self.variables) == _MAX_VARIABLES:
            raise _BadTemplate(f"it has more than {_MAX_VARIABLES} variables")
        if equals and not pattern:
            raise _BadTemplate(f"the variable `{name}` has an empty pattern")
        if not equals and self.has_rest:
            raise _BadTemplate(f"the variable `{name}` stands after a `**`")
        if (before or after) and "/" in pattern:
            raise _BadTemplate(f"the variable `{name}` between literals has more than one segment")
        self.variables.append(name)
        self._add_literal(before)
        self.regex += f"(?P<{name}>"
        self.add_segments((pattern or "*").split("/"), in_variable=True)
        self.regex += ")"
        self._add_literal(after)


def _split(template: str) -> list[str]:
    """The segments: a slash within a variable separates none."""
    if not template.startswith("/"):
        raise _BadTemplate("it does not begin with a slash")
    segments, depth = [""], 0
    for character in template[1:]:
        depth += (character == "{") - (character == "}")
        if character == "/" and depth == 0:
            segments.append("")
        else:
            segments[-1] += character
    return segments


def _translate(template: str) -> _Translation:
    translation = _Translation()
    translation.add_segments(_split(template), in_variable=False)
    return translation


def lower_template_match(cursor: Cursor) -> model.PathRegex:
    """The `path_template` at `cursor`, as a regular expression for the whole path without query."""
    template: str = MATCH.read(cursor).get("path_template", "")
    try:
        regex = _translate(template).regex if template else ""
    except _BadTemplate as error:
        cursor.problem(f"`{template}` is no template: {error}", None, "path_template")
        return model.PathRegex(regex="")
    except _NotBuilt as error:
        refuse(cursor, f"{error} is not supported yet", None, "path_template")
        return model.PathRegex(regex="")
    return model.PathRegex(regex=regex)


def lower_template_rewrite(cursor: Cursor, match_template: str) -> model.RegexRewrite | None:
    """The `path_template_rewrite` at `cursor`, for paths that `match_template` has matched."""
    template: str = REWRITE.read(cursor).get("path_template_rewrite", "")
    try:
        matched = _translate(match_template)
    except (_BadTemplate, _NotBuilt):
        return None  # reported where it stands
    if not template:
        return None  # a rule of the schema reports it
    if not template.startswith("/") or "//" in template:
        hint = "it begins with a slash, and no segment is empty"
        cursor.problem(f"`{template}` is no template", hint, "path_template_rewrite")
        return None
    substitution = ""
    for part in re.split(r"({[^{}]*})", template):
        name = part[1:-1] if part.startswith("{") and part.endswith("}") else None
        if name is None and not re.fullmatch(r"[a-zA-Z0-9\-._~%!$&'()*+,;:@=/]*", part):
            cursor.problem(f"`{part}` cannot stand in a path", None, "path_template_rewrite")
            return None
        if name is not None and name not in matched.variables:
            text = f"the variable `{name}` is not in the template `{match_template}`"
            cursor.problem(text, None, "path_template_rewrite")
            return None
        substitution += part if name is None else f"\\{matched.variables.index(name) + 1}"
    return model.RegexRewrite(regex=f"^{matched.regex}$", substitution=substitution)
