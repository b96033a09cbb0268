"""The repository's Python source as syntax trees, for tests of code rules. Each file is parsed once."""

import ast
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def parse_module(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


@cache
def walk(node: ast.AST) -> tuple[ast.AST, ...]:
    """All nodes below and including `node`. Cached: the rules walk the same functions a dozen times."""
    return tuple(ast.walk(node))


@cache
def python_files(folder: str) -> tuple[Path, ...]:
    return tuple(sorted((ROOT / folder).rglob("*.py")))


@cache
def imported_names(file: Path) -> tuple[str, ...]:
    """Every module that a file imports anywhere, and for `from a import b` also `a.b`, which may be a module."""
    names: list[str] = []
    for node in walk(parse_module(file)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)


@cache
def tracked_files() -> tuple[Path, ...]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return tuple(ROOT / name for name in listed.split("\0") if name)
