"""The rules of the house that a program can check (docs: CONTRIBUTING.md). Reads the tree, runs nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "python" / "ferryman"
MAX_LINES, MAX_INLINE_TEST_LINES, MAX_FUNCTION_LINES = 500, 150, 60

SAYS_NOTHING = {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager", "managers", "impl"}
ENVOYS_NAMES = ("http_connection_manager", "listener_manager", "cluster_manager")

MAY_IMPORT = {
    "config.model": set(),
    "errors": set(),
    "options": set(),
    "process_limits": {"errors"},
    "ports_in_use": {"config.model", "errors"},
    "api": {"errors"},
    "config": {"api", "config", "config.model", "errors", "options", "_native"},
    "quick": {"errors"},
    "admin_client": {"errors"},
    "admin": {"admin", "api", "config", "config.model", "errors", "options", "_native", ""},
    "proxy": {
        "admin", "config", "config.model", "errors", "options", "ports_in_use", "process_limits", "_native",
        "",
    },
    "envoy_flags": {"api", "options"},
    "demo": {"demo", "options", "proxy"},
    "lint": {"config", "lint"},
    "judgement": {"config", "errors", ""},
    "cli": {
        "admin_client", "config", "demo", "envoy_flags", "errors", "judgement", "lint", "options", "proxy",
        "quick", "_native", "",
    },
    "__main__": {"cli"},
    "": {"errors", "options", "proxy", "_native"},
}  # fmt: skip
"""Unit of the package to the units that it may import; "" is `ferryman` itself."""


def tracked(*suffixes: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    paths = [ROOT / line for line in listed.stdout.splitlines() if line.endswith(suffixes)]
    return [path for path in paths if path.is_file()]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def rust_parts(text: str) -> tuple[int, int]:
    """Lines before the inline tests, and lines of them."""
    before, marker, after = text.partition("\n#[cfg(test)]\nmod tests {")
    return before.count("\n") + 1, after.count("\n") if marker else 0


def test_no_file_is_too_long() -> None:
    found = []
    for path in tracked(".py", ".rs", ".pyi"):
        own, inline = (
            rust_parts(path.read_text()) if path.suffix == ".rs" else (len(path.read_text().splitlines()), 0)
        )
        limit = MAX_LINES
        if own > limit:
            found.append(f"{shown(path)}: {own} lines, at most {limit}")
        if inline > MAX_INLINE_TEST_LINES:
            found.append(f"{shown(path)}: {inline} lines of inline tests, at most {MAX_INLINE_TEST_LINES}")
    assert not found, "\n".join(found)


def test_no_python_function_is_too_long() -> None:
    found = []
    for path in tracked(".py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    found.append(f"{shown(path)}:{node.lineno}: {node.name} has {length} lines")
    assert not found, "\n".join(found)


def words_of(name: str) -> set[str]:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    for known in ENVOYS_NAMES:
        snake = snake.replace(known, "")
    return set(re.split(r"[^a-z0-9]+", snake))


def test_no_name_says_nothing() -> None:
    found = []
    for path in tracked(".py", ".rs", ".pyi", ".md", ".yaml", ".toml"):
        if words_of(shown(path)) & SAYS_NOTHING:
            found.append(shown(path))
        if path.suffix in (".py", ".rs"):
            types = re.findall(
                r"^\s*(?:pub(?:\([a-z]+\))? )?(?:class|struct|enum|trait|mod|type) (\w+)",
                path.read_text(),
                re.M,
            )
            found += [f"{shown(path)}: {name}" for name in types if words_of(name) & SAYS_NOTHING]
    assert not found, "\n".join(found)


def test_no_mod_rs() -> None:
    assert not [shown(path) for path in tracked("mod.rs")]


def test_every_module_says_what_it_owns() -> None:
    found = []
    for path in tracked(".py", ".rs", ".pyi"):
        inside = path.is_relative_to(PACKAGE) or path.is_relative_to(ROOT / "bench") or "/src/" in str(path)
        text = path.read_text()
        if not inside:
            continue
        documented = text.startswith("//!") if path.suffix == ".rs" else ast.get_docstring(ast.parse(text))
        if not documented:
            found.append(shown(path))
    assert not found, "no module documentation:\n" + "\n".join(found)


def test_no_bare_todo() -> None:
    found = []
    for path in tracked(".py", ".rs", ".pyi"):
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"\b(FIXME|XXX|HACK)\b", line) or re.search(r"\bTODO\b(?!.*\bbecause\b)", line):
                found.append(f"{shown(path)}:{number}: {line.strip()}")
    assert not found, "say why with 'because':\n" + "\n".join(found)


def test_every_lint_exception_has_its_reason() -> None:
    found = []
    for path in tracked(".rs"):
        for match in re.finditer(r"#!?\[(?:allow|expect)\(([^\]]*)\)\](.*)", path.read_text()):
            if "reason" not in match[1] and "//" not in match[2]:
                found.append(f"{shown(path)}: {match[0]}")
    assert not found, "\n".join(found)


def test_every_unsafe_block_has_its_reason() -> None:
    found = []
    for path in tracked(".rs"):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            around = lines[max(0, number - 8) : number + 1]
            unsafe = re.search(r"\bunsafe (\{|impl)", line.split("//")[0])
            if unsafe and not any("SAFETY" in before for before in around):
                found.append(f"{shown(path)}:{number + 1}")
    assert not found, "no SAFETY reason:\n" + "\n".join(found)


def test_crates_depend_downwards_only() -> None:
    def own_dependencies(crate: str) -> set[str]:
        manifest = tomllib.loads((ROOT / "crates" / crate / "Cargo.toml").read_text())
        return {name for name in manifest["dependencies"] if name.startswith("ferryman-")} | (
            {"pyo3"} & set(manifest["dependencies"])
        )

    assert own_dependencies("codec") == set()
    assert own_dependencies("dataplane") == {"ferryman-codec"}
    assert own_dependencies("native") <= {"ferryman-dataplane", "ferryman-codec", "pyo3"}


def unit_of(module: str) -> str:
    parts = module.split(".")[1:]
    if parts[:2] == ["config", "model"]:
        return "config.model"
    return parts[0] if parts else ""


def imported_units(path: Path) -> set[str]:
    """What a file imports of Ferryman when it runs: also inside functions, but not for types only."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {unit_of(alias.name) for alias in node.names if alias.name.split(".")[0] == "ferryman"}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "ferryman":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                place = ROOT / "python" / Path(*whole.split("."))
                is_module = place.is_dir() or place.with_suffix(".py").exists() or alias.name == "_native"
                found.add(unit_of(whole if is_module else node.module))
    return found


def test_python_imports_downwards_only() -> None:
    found = []
    for path in tracked(".py"):
        if not path.is_relative_to(PACKAGE):
            continue
        parts = ["ferryman", *path.relative_to(PACKAGE).with_suffix("").parts]
        unit = unit_of(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
        assert unit in MAY_IMPORT, f"{shown(path)}: say in MAY_IMPORT what '{unit}' may import"
        excess = imported_units(path) - MAY_IMPORT[unit] - ({unit} if unit else set())
        found += [f"{shown(path)} imports ferryman.{name}" for name in sorted(excess)]
    assert not found, "\n".join(found)


def test_only_config_and_xds_know_protobuf() -> None:
    found = []
    for path in tracked(".py"):
        outside = path.is_relative_to(PACKAGE) and path.relative_to(PACKAGE).parts[0] not in (
            "api",
            "config",
            "xds",
        )
        if outside and re.search(r"^\s*(from|import) google\.protobuf", path.read_text(), re.M):
            found.append(shown(path))
    assert not found, "\n".join(found)


def modules_of(crate: str) -> list[str]:
    text = (ROOT / "crates" / crate / "src" / "lib.rs").read_text()
    return re.findall(r"^(?:pub(?:\([a-z]+\))? )?mod (\w+);", text, re.M)


def test_life_of_a_request_names_every_module_in_order() -> None:
    text = (ROOT / "docs" / "life_of_a_request.md").read_text()
    named = re.findall(r"crates/dataplane/src/(\w+)\.rs", text)
    first_named = list(dict.fromkeys(named))
    modules = modules_of("dataplane")
    assert not set(modules) - set(first_named), "modules that docs/life_of_a_request.md does not name"
    assert modules == [name for name in first_named if name in modules], "not in the order of lib.rs"


PATH_IN_DOCS = re.compile(r"`((?:crates|python|tests|examples|bench|docs|tools)/[\w./*-]*)`")


@pytest.mark.parametrize("path", tracked(".md"), ids=shown)
def test_paths_in_documents_exist(path: Path) -> None:
    missing = [
        name for name in PATH_IN_DOCS.findall(path.read_text()) if not any(ROOT.glob(name.rstrip("/")))
    ]
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text())
    missing += [link for link in links if not (path.parent / link).exists()]
    assert not missing


def test_differences_are_well_formed() -> None:
    lines = (ROOT / "docs" / "differences_from_envoy.md").read_text().splitlines()
    # Under the head of a table stands its rule; all else that begins with a bar is a row.
    rules = {index for index, line in enumerate(lines) if set(line) == set("| -")}
    bars = [index for index, line in enumerate(lines) if line.startswith("|")]
    rows = [lines[index] for index in bars if not {index, index + 1} & rules]
    ids = []
    for row in rows:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
        assert len(cells) == 4 and all(cells), f"four full cells wanted: {row}"
        assert re.fullmatch(r"(`|\*\*)[a-z0-9-]+\1", cells[0]), f"an id wanted: {cells[0]}"
        ids.append(cells[0])
    assert len(ids) == len(set(ids)), "an id stands twice"


def test_no_path_of_a_machine() -> None:
    found = []
    for path in tracked(".py", ".rs", ".md", ".toml", ".yaml", "Makefile", "run"):
        if path != Path(__file__) and re.search(r"/(work|root|home/\w+)/", path.read_text()):
            found.append(shown(path))
    assert not found
