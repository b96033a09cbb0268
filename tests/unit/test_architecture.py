"""The house: imports point one way, the core knows no Prefect, and nothing committed tells where it was made."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("videojobs", "blocks", "tasks", "flows")  # each may import itself and those before it


def imported_modules(package: str) -> Iterator[tuple[Path, str]]:
    for file in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from ((file, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield file, node.module


def is_below(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    later = {*PACKAGES[PACKAGES.index(package) + 1 :], "deployments", "tests"}
    backward = [f"{file.name}: {module}" for file, module in imported_modules(package) if module.split(".")[0] in later]
    assert backward == []


DEPLOYMENTS = ("api", "worker", "local")  # what they share is in deployments/server, or below deployments


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_api_worker_and_local_never_import_one_another(name: str) -> None:
    others = tuple(f"deployments.{other}" for other in DEPLOYMENTS if other != name)
    found = [
        f"{file.name}: {module}" for file, module in imported_modules(f"deployments/{name}") if is_below(module, others)
    ]
    assert found == []


def test_only_the_application_imports_routes() -> None:
    routes = ("deployments.api.routes",)
    found = [
        f"{file.name}: {module}" for file, module in imported_modules("deployments/api") if is_below(module, routes)
    ]
    assert [line for line in found if not line.startswith("app.py: ")] == []


def test_the_core_imports_no_prefect() -> None:
    found = [f"{file.name}: {module}" for file, module in imported_modules("videojobs") if module.startswith("prefect")]
    assert found == []


def test_the_emulators_import_no_product_code() -> None:
    emulators = "deployments/local/emulators"
    ours = ("videojobs", "blocks", "tasks", "flows")
    assert [module for _, module in imported_modules(emulators) if module.split(".")[0] in ours] == []


@pytest.mark.parametrize(
    ("label", "pattern"),
    [
        ("a registry host", r"(files\.pythonhosted|pypi\.org/simple|--(extra-)?index-url|registry\.npmjs)"),
        ("a path of a machine", r"(?<![\w.])/(root|home/\w+|work/main|Users/\w+)/"),
        ("a private key", "-----BEGIN [A-Z ]*PRIVATE" + " KEY-----"),
        ("an access key of AWS", r"\bAKIA[0-9A-Z]{16}\b"),
    ],
)
def test_committed_files_contain_no_private_data(label: str, pattern: str) -> None:
    own = Path(__file__)
    texts = ((file, file.read_bytes()) for file in tracked_files() if file.is_file() and file != own)
    found = [file.name for file, content in texts if b"\0" not in content and re.search(pattern, content.decode())]
    assert found == [], f"{label} in {found}"
