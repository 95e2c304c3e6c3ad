"""Breaks good configurations in the ways people break them, and knows at which line.

Every way is a function from the lines of a good file to all the damages it can do there; `chosen` takes
the same 200 of them every time. A new way is one more function in WAYS.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

WHOLE = Path(__file__).parent / "whole"
"""The good files."""


@dataclass(frozen=True)
class Damage:
    """A broken configuration: how, of which file, and the line (from 1) that a user must be sent to."""

    way: str
    file: str
    line: int
    text: str

    @property
    def name(self) -> str:
        return f"{self.way}-{self.file}-{self.line}"


Lines = list[str]
Site = tuple[int, Lines]
"""The number of the damaged line (from 0) and all lines after the damage."""
Way = Callable[[Lines], Iterator[Site]]

PAIR = re.compile(
    r"""^(?P<lead>[ ]*(?:- )?)(?P<key>"?[A-Za-z_][A-Za-z0-9_@]*"?): (?P<value>\S.*?)(?P<end>,?)$"""
)
KEY = re.compile(r'(?<![\w"@.:/])(?P<quote>"?)(?P<key>[a-z][a-zA-Z0-9_]*)(?P=quote):(?= |$)')
DURATION = re.compile(r'"?[0-9.]+s"?')
NUMBER = re.compile(r"[0-9]+")
ENUM = re.compile(r'"?[A-Z][A-Z_0-9]{2,}"?')
TEXT_KEYS = (
    "cluster",
    "cluster_name",
    "stat_prefix",
    "server_name",
    "key",
    "value",
    "statPrefix",
    "clusterName",
)


def replaced(lines: Lines, index: int, line: str) -> Site:
    return index, [*lines[:index], line, *lines[index + 1 :]]


def pairs(lines: Lines) -> Iterator[tuple[int, re.Match[str]]]:
    for index, line in enumerate(lines):
        found = PAIR.match(line)
        if found is not None:
            yield index, found


def with_value(lines: Lines, index: int, found: re.Match[str], value: str) -> Site:
    return replaced(lines, index, f"{found['lead']}{found['key']}: {value}{found['end']}")


def typo_in_key(lines: Lines) -> Iterator[Site]:
    """A letter is missing, doubled or swapped with its neighbour."""
    for index, line in enumerate(lines):
        for found in KEY.finditer(line):
            key = found["key"]
            at = len(key) // 2
            for wrong in (key[:at] + key[at + 1 :], key[:at] + key[at] + key[at:], swapped(key, at)):
                if wrong != key:
                    start, end = found.span("key")
                    yield replaced(lines, index, line[:start] + wrong + line[end:])


def swapped(word: str, at: int) -> str:
    return word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]


def bad_duration(lines: Lines) -> Iterator[Site]:
    """Milliseconds, minutes, no unit at all."""
    for index, found in pairs(lines):
        if DURATION.fullmatch(found["value"]):
            quote = '"' if found["value"].startswith('"') else ""
            for value in (f"{quote}500ms{quote}", f"{quote}1m{quote}", "5", f"{quote}soon{quote}"):
                yield with_value(lines, index, found, value)


def bad_enum(lines: Lines) -> Iterator[Site]:
    """A value that the enum does not have."""
    for index, found in pairs(lines):
        if ENUM.fullmatch(found["value"]):
            word = found["value"].strip('"')
            quote = '"' if found["value"].startswith('"') else ""
            yield with_value(lines, index, found, f"{quote}{word}S{quote}")
            yield with_value(lines, index, found, f"{quote}{swapped(word, 2)}{quote}")


def text_for_number(lines: Lines) -> Iterator[Site]:
    for index, found in pairs(lines):
        if NUMBER.fullmatch(found["value"]):
            for value in ('"many"', "1.5", "-1", "true"):
                yield with_value(lines, index, found, value)


def wrong_bool(lines: Lines) -> Iterator[Site]:
    for index, found in pairs(lines):
        if found["value"] in ("true", "false"):
            for value in ('"maybe"', "1", "[]"):
                yield with_value(lines, index, found, value)


def unquoted_text(lines: Lines) -> Iterator[Site]:
    """Text that the reader takes for a boolean or a number."""
    for index, found in pairs(lines):
        if found["key"].strip('"') in TEXT_KEYS:
            for value in ("true", "8080"):
                yield with_value(lines, index, found, value)


def mapping_for_scalar(lines: Lines) -> Iterator[Site]:
    for index, found in pairs(lines):
        if NUMBER.fullmatch(found["value"]) or found["key"] in TEXT_KEYS:
            yield with_value(lines, index, found, '{"value_of": 3}')


def scalar_for_mapping(lines: Lines) -> Iterator[Site]:
    """A section that has a word where its fields should stand."""
    opener = re.compile(r"^ *(?:- )?(?:address|match|route|load_assignment|http_protocol_options|locality):$")
    for index, line in enumerate(lines):
        if opener.match(line):
            end = end_of_block(lines, index)
            yield index, [*lines[:index], f"{line} nothing", *lines[end:]]


def port_out_of_range(lines: Lines) -> Iterator[Site]:
    for index, line in enumerate(lines):
        found = re.search(r'((?:port_value|destination_port|"portValue"): )[0-9]+', line)
        if found is not None:
            for port in ("65536", "-1", "99999999999"):
                yield replaced(lines, index, line.replace(found[0], found[1] + port))


def rule_broken(lines: Lines) -> Iterator[Site]:
    """A number or text beyond what the schema's rules allow."""
    beyond = {"status": "700", "prefix_len": "129", "mode": "512", "address": '""', "choice_count": "1"}
    beyond |= {"weight": "-2", "domains": "[]", "statPrefix": '""', "stat_prefix": '""', "name": '"a\\nb"'}
    for index, found in pairs(lines):
        key = found["key"].strip('"')
        if key in beyond and key != "name" and not found["value"].startswith("{"):
            yield with_value(lines, index, found, beyond[key])


def type_url(lines: Lines) -> Iterator[Site]:
    """A type that does not exist, or no type at all."""
    for index, line in enumerate(lines):
        if '"@type"' in line:
            yield replaced(lines, index, line.replace(".v3.", ".v2."))
            yield replaced(lines, index, re.sub(r'([a-z])("?,?)$', r"\2", line))
            yield replaced(lines, index, line.replace("type.googleapis.com/", ""))


def indent_of(line: str) -> int:
    """The column of a line's first key, its dash skipped."""
    return len(line) - len(line.lstrip(" -"))


def end_of_block(lines: Lines, index: int) -> int:
    """The line behind the one at `index` and all that is indented below it."""
    end = index + 1
    while end < len(lines) and (
        indent_of(lines[end]) > indent_of(lines[index])
        or (
            lines[end].lstrip().startswith("- ")
            and len(lines[end]) - len(lines[end].lstrip()) >= indent_of(lines[index])
        )
    ):
        end += 1
    return end


def holder_of(lines: Lines, index: int) -> int:
    """The line of the mapping that holds the key at `index`: its dash, or the key above it."""
    column = indent_of(lines[index])
    for above in range(index - 1, -1, -1):
        if indent_of(lines[above]) == column and "- " in lines[above][:column]:
            return above
        if indent_of(lines[above]) < column:
            return above
    return 0


REQUIRED = (
    "stat_prefix",
    "domains",
    "cluster_name",
    "address_prefix",
    "regex",
    "status",
    "key",
    "path",
    "prefix",
)


def missing_required(lines: Lines) -> Iterator[Site]:
    """A line that must be there is gone; the user is sent to the section that lacks it."""
    for index, line in enumerate(lines):
        found = re.match(r"^ +(?P<key>[a-z_]+):", line)
        if found is not None and found["key"] in REQUIRED:
            end = end_of_block(lines, index)
            rest = [*lines[:index], *lines[end:]]
            if end_of_block(lines, holder_of(lines, index)) > end or index > holder_of(lines, index) + 1:
                yield holder_of(lines, index), rest
        moved = re.match(r"^(?P<lead> +)- name: ", line)
        if moved and index + 1 < len(lines) and indent_of(lines[index + 1]) == indent_of(line):
            following = lines[index + 1]
            dashed = following[: indent_of(line) - 2] + "- " + following[indent_of(line) :]
            if re.match(r" +- (connect_timeout|type|domains):", dashed):
                yield index, [*lines[:index], dashed, *lines[index + 2 :]]


def two_of_a_oneof(lines: Lines) -> Iterator[Site]:
    """A second, different answer to a question that takes one."""
    second = {"prefix": "path: /x", "path": "prefix: /x", "cluster": "cluster_header: x-to", "status": None}
    for index, found in pairs(lines):
        key = found["key"]
        if second.get(key) and not found["lead"].strip() and holds_only_match(lines, index, key):
            added = " " * indent_of(lines[index]) + str(second[key])
            yield index + 1, [*lines[: index + 1], added, *lines[index + 1 :]]


def holds_only_match(lines: Lines, index: int, key: str) -> bool:
    holder = lines[holder_of(lines, index)].strip()
    return holder in ("match:", "- match:") if key != "cluster" else holder == "route:"


def bad_indentation(lines: Lines) -> Iterator[Site]:
    """One line is a space or two off."""
    for index, line in enumerate(lines):
        if not line.strip() or ":" not in line or index == 0:
            continue
        ends = ":" not in line.strip()[-1:]
        depth = len(line) - len(line.lstrip(" "))
        opens = lines[index - 1].endswith(":") or indent_of(lines[index - 1]) < indent_of(line)
        after = end_of_block(lines, index)
        if opens and (after >= len(lines) or indent_of(lines[after]) < indent_of(line)):
            continue  # an only child may stand where it likes
        if depth >= 4:
            yield replaced(lines, index, line[1:])
        if ends and not line.lstrip().startswith("- "):
            yield replaced(lines, index, " " + line)
            yield replaced(lines, index, "   " + line)


def tab(lines: Lines) -> Iterator[Site]:
    """A tab where spaces should be."""
    for index, line in enumerate(lines):
        depth = len(line) - len(line.lstrip(" "))
        if depth >= 2 and ":" in line:
            yield replaced(lines, index, "\t" * (depth // 2) + line.lstrip())


def no_colon(lines: Lines) -> Iterator[Site]:
    for index, found in pairs(lines):
        if "{" not in found["value"]:
            yield replaced(lines, index, f"{found['lead']}{found['key']} {found['value']}{found['end']}")


def open_quote(lines: Lines) -> Iterator[Site]:
    """A quote that is never closed."""
    for index, found in pairs(lines):
        if re.fullmatch(r"[a-z]+", found["value"]):
            yield with_value(lines, index, found, f'"{found["value"]}')


def open_bracket(lines: Lines) -> Iterator[Site]:
    for index, line in enumerate(lines):
        if line.rstrip().endswith("}") and "{" in line:
            yield replaced(lines, index, line.rstrip()[:-1])


def unknown_cluster(lines: Lines) -> Iterator[Site]:
    """A route that names a cluster which nobody defines."""
    for index, found in pairs(lines):
        in_route = "route" in lines[holder_of(lines, index)] or "timeout" in lines[index + 1]
        if found["key"].strip('"') == "cluster" and in_route and index > 10 and "primary" not in lines[index]:
            word = found["value"].strip('"')
            yield with_value(lines, index, found, found["value"].replace(word, word + "s"))


def duplicate_domain(lines: Lines) -> Iterator[Site]:
    """A second virtual host for a domain of the first."""
    for index, line in enumerate(lines):
        if line.strip() == '- "*"':
            for domain in ("shop.example.com", '"*.shop.example.com"', "SHOP.example.com"):
                if any(domain.lower().strip('"') in other for other in lines):
                    yield replaced(lines, index, line.replace('"*"', domain))


def json_comma(lines: Lines) -> Iterator[Site]:
    """The comma at the end of a line is missing; the next line is where the reader stumbles."""
    for index, line in enumerate(lines):
        if line.endswith(","):
            _, rest = replaced(lines, index, line[:-1])
            yield index + 1, rest


def json_quote(lines: Lines) -> Iterator[Site]:
    for index, line in enumerate(lines):
        if re.search(r'": "[a-z]+",?$', line):
            yield replaced(lines, index, re.sub(r'",?$', "", line))


def json_comment(lines: Lines) -> Iterator[Site]:
    for index, line in enumerate(lines):
        if line.endswith(","):
            yield replaced(lines, index, line + " // here")


BOTH: tuple[Way, ...] = (
    *(typo_in_key, typo_in_key, typo_in_key, bad_duration, bad_enum, text_for_number, wrong_bool),
    *(unquoted_text, mapping_for_scalar, port_out_of_range, rule_broken, type_url),
    *(unknown_cluster, duplicate_domain),
)
YAML: tuple[Way, ...] = (
    *(missing_required, missing_required, two_of_a_oneof, scalar_for_mapping),
    *(bad_indentation, bad_indentation, tab, no_colon, open_quote, open_bracket),
)
JSON: tuple[Way, ...] = (json_comma, json_quote, json_comment)


def damages(path: Path, way: Way) -> list[Damage]:
    """All that one way can do to one file."""
    lines = path.read_text(encoding="utf-8").split("\n")
    found = (Damage(way.__name__, path.name, index + 1, "\n".join(broken)) for index, broken in way(lines))
    return [damage for damage in found if damage.text != "\n".join(lines)]


def chosen(count: int = 200, seed: int = 7) -> list[Damage]:
    """`count` damages, the ways and files taken in turn; always the same for the same files."""
    choice = random.Random(seed)
    piles = []
    for path in sorted(WHOLE.iterdir()):
        for way in BOTH + (JSON if path.suffix == ".json" else YAML):
            pile = damages(path, way)
            choice.shuffle(pile)
            if pile:
                piles.append(pile)
    taken: dict[str, Damage] = {}
    while len(taken) < count and any(piles):
        for pile in piles:
            if pile and len(taken) < count:
                damage = pile.pop()
                taken.setdefault(damage.text, damage)
    return list(taken.values())
