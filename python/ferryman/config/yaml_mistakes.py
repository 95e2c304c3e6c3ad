"""Where a YAML syntax error really is.

Owns the guess. A parser stumbles where the text stops making sense, which is often a line or many lines
after the mistake: at the next quote after one that was never closed, at the line under a missing colon.
Given the text and the spots that libyaml names, this finds the line to send the user to.
"""

from __future__ import annotations

import re
from collections import Counter

import yaml

from ferryman.config.tree import TextError

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\'')
_OPEN_QUOTE = re.compile(r"""(?:^|[:\-,\[{])\s*(["'])[^"']*$""")
_AFTER_VALUE = re.compile(r"\s*(?:$|#|[,}\]:])")
_COMMENT = re.compile(r"(?:^|\s)#.*$")
_INDENTATION = "check the indentation of this line and of those around it"
_QUOTE = "close the quote"


def explain(text: str, error: yaml.MarkedYAMLError) -> TextError:
    """The error at the line of the likely mistake."""
    lines = text.split("\n")
    seen = error.problem_mark or error.context_mark
    begun = error.context_mark or seen
    if seen is None or begun is None:
        return TextError(0, "is not YAML")
    problem = error.problem or ""
    context = error.context or ""
    found = (
        _tab(lines, seen.line)
        or _open_quote(lines, seen.line)
        or _open_bracket(lines, begun.line, seen.line, context)
        or _no_colon(lines, begun.line, seen.line, problem)
        or _odd_indentation(lines, seen.line, problem)
    )
    if found is not None:
        line, message, hint = found
        start = sum(len(before) + 1 for before in lines[:line])
        return TextError(start + _indent(lines[line]), f"is not YAML: {message}", hint)
    message = f"{problem} ({context})" if context else problem
    hint = None
    if "mapping values are not allowed" in problem:
        hint = "quote a value with a colon in it, or check the indentation"
    elif "expected" in problem:
        hint = _INDENTATION
    return TextError(seen.index, f"is not YAML: {message}", hint)


_Found = tuple[int, str, str | None]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _bare(line: str) -> str:
    """The line without what stands in closed quotes, and without its comment."""
    return _COMMENT.sub("", _QUOTED.sub("", line))


def _tab(lines: list[str], last: int) -> _Found | None:
    """A line up to the error that is indented with a tab."""
    for number, line in enumerate(lines[max(0, last - 1) : last + 1], max(0, last - 1)):
        if "\t" in line[: _indent(line)]:
            return number, "it is indented with a tab", "indent with spaces: YAML takes no tabs"
    return None


def _open_quote(lines: list[str], last: int) -> _Found | None:
    """The last line up to the error with a quote that does not end on it."""
    for number in range(min(last, len(lines) - 1), -1, -1):
        found = _OPEN_QUOTE.search(_bare(lines[number]))
        if found is not None and not _ends_well(lines[number + 1 :], found[1]):
            return number, "a quote is opened here and not closed on this line", _QUOTE
    return None


def _ends_well(following: list[str], quote: str) -> bool:
    """Whether a text that goes on over these lines ends where a value may end."""
    for line in following:
        _, closed, rest = line.partition(quote)
        if closed:
            return _AFTER_VALUE.match(rest) is not None
    return False


def _open_bracket(lines: list[str], first: int, last: int, context: str) -> _Found | None:
    """The line that opens more brackets than it closes, if the parser is inside of one."""
    if "flow" not in context:
        return None
    ended = last >= len(lines) or not any(line.strip() for line in lines[last:])
    if first == last and not ended:
        return None
    for number in range(min(last, len(lines)) - 1, -1 if ended else first - 1, -1):
        bare = _bare(lines[number])
        if bare.count("{") > bare.count("}") or bare.count("[") > bare.count("]"):
            return number, "a bracket is opened here and not closed", "close the bracket"
    return None


def _no_colon(lines: list[str], first: int, last: int, problem: str) -> _Found | None:
    """A line of words where `key: value` should stand."""
    if "could not find expected ':'" in problem:
        return first, "there is no colon after the key", "write key: value"
    before = _before(lines, last)
    if before is None or "mapping values are not allowed" not in problem:
        return None
    words = _bare(lines[before]).strip().removeprefix("- ")
    if re.fullmatch(r"[A-Za-z_@]\w* \S.*", words) and ":" not in words:
        return before, "there is no colon after the key", f"write {words.partition(' ')[0]}: ..."
    return None


def _odd_indentation(lines: list[str], last: int, problem: str) -> _Found | None:
    """The line before, when it is off the file's steps of indentation and this one is not."""
    before = _before(lines, last)
    if before is None or last >= len(lines):
        return None
    if "expected" not in problem and "mapping values are not allowed" not in problem:
        return None
    step = _step(lines)
    if _indent(lines[before]) % step and not _indent(lines[last]) % step:
        return before, "it is not indented as its neighbours are", _INDENTATION
    return None


def _before(lines: list[str], last: int) -> int | None:
    """The last line before this one that is not empty."""
    for number in range(min(last, len(lines)) - 1, -1, -1):
        if lines[number].strip():
            return number
    return None


def _step(lines: list[str]) -> int:
    """By how many spaces the file mostly indents."""
    steps = Counter(
        deeper - shallower
        for shallower, deeper in zip(map(_indent, lines), map(_indent, lines[1:]), strict=False)
        if deeper > shallower
    )
    return min(steps, key=lambda step: (-steps[step], step)) if steps else 1
