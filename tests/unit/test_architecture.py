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


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    later = {*PACKAGES[PACKAGES.index(package) + 1 :], "deployments", "tests"}
    backward = [f"{file.name}: {module}" for file, module in imported_modules(package) if module.split(".")[0] in later]
    assert backward == []


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


VENDOR_NAMES = re.compile(r"sync_?-?\.?so\b|ghost_?cut|zhaoli|lipsync", re.IGNORECASE)
FACT_SHEET_CITATION = re.compile(r"(Sync\.so|GhostCut) \d+")
OWN_PLACES = (
    "videojobs/providers/sync_so/",
    "videojobs/providers/ghostcut/",
    "blocks/sync_so.py",
    "blocks/ghostcut.py",
)
VENDOR_NAME_EXCEPTIONS = {
    "deployments/local/": "starts the emulators, and shows the operators' columns",
    "deployments/server/environment.py": "the operators' variables",
    "deployments/api/schemas/jobs.py": "the public field sync_generation_id",
    "deployments/api/views/status.py": "the same field, and its column",
    "videojobs/db/models.py": "the operators' column zhaoli_task_id",
    "videojobs/db/migrations/": "the column, and the keys of existing rows",
    "videojobs/providers/registry.py": "the default provider of each stage",
    "videojobs/requests/models.py": "the public names of models",
    "videojobs/settings.py": "limits whose reasons are facts of the vendors",
    "videojobs/testing/fault_injection.py": "the names of the fault points",
}


def test_vendor_names_stand_in_their_own_places_only() -> None:
    """What a new vendor would have to touch. Citations of fact sheets ("Sync.so 8") are no such places."""
    product = [file for file in tracked_files() if file.suffix == ".py" and "tests" not in file.relative_to(ROOT).parts]
    found = []
    for file in product:
        name = str(file.relative_to(ROOT))
        text = FACT_SHEET_CITATION.sub("", file.read_text()) if file.is_file() else ""
        if VENDOR_NAMES.search(text) and not name.startswith((*OWN_PLACES, *VENDOR_NAME_EXCEPTIONS)):
            found.append(name)
    assert found == []
