"""Rules for the source tree: allowed imports, names of modules and tests, and files that are never committed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.source_tree import ROOT, imported_names, python_files, tracked_files

LAYERS = ("videojobs", "blocks", "tasks", "flows", "deployments", "tests")  # each imports itself and those before it
PROCESSES = ("api", "worker", "local")  # code that two of them share is in deployments/server
ENGINE = ("flows", "tasks", "blocks", "deployments", "prefect", "prefect_aws", "sqlalchemy", "fastapi", "videojobs.db")
UNIT_TEST_EXCEPTIONS = ("deployments.api.uploads", "tasks.runtime.uninterruptible")  # they import no engine themselves
NOUNS = (
    "decoding",
    "logging",
    "mapping",
    "parsing",
    "polling",
    "sampling",
    "signing",
    "templating",
)  # usual terms of the field


def imports_of(folder: str, *modules: str) -> Iterator[tuple[Path, str]]:
    """The files below a folder that import one of these modules or their contents, and their imports."""
    for file in python_files(folder):
        for name in imported_names(file):
            if name.startswith(tuple(f"{module}." for module in modules)) or name in modules:
                yield file.relative_to(ROOT), name


def described(found: Iterator[tuple[Path, str]]) -> list[str]:
    return [f"{file}: {name}" for file, name in found]


@pytest.mark.parametrize("package", LAYERS[:-1])
def test_imports_point_one_way(package: str) -> None:
    later_layers = LAYERS[LAYERS.index(package) + 1 :]
    assert described(imports_of(package, *later_layers)) == []


def test_the_core_imports_neither_prefect_nor_fastapi() -> None:
    assert described(imports_of("videojobs", "prefect", "prefect_aws", "fastapi", "starlette")) == []


@pytest.mark.parametrize("process", PROCESSES)
def test_api_worker_and_local_never_import_one_another(process: str) -> None:
    others = [f"deployments.{other}" for other in PROCESSES if other != process]
    assert described(imports_of(f"deployments/{process}", *others)) == []


def test_only_the_application_imports_routes() -> None:
    found = imports_of("deployments/api", "deployments.api.routes")
    assert described((file, name) for file, name in found if file.name != "app.py") == []


def test_the_emulators_import_no_product_code() -> None:
    assert described(imports_of("deployments/local/emulators", "videojobs", "blocks", "tasks", "flows")) == []


def test_unit_tests_import_only_the_core() -> None:
    """Without Prefect and the database they take seconds. A test that needs either is an integration test."""
    found = imports_of("tests/unit", *ENGINE)
    assert [f"{file}: {name}" for file, name in found if not name.startswith(UNIT_TEST_EXCEPTIONS)] == []


@pytest.mark.parametrize("package", LAYERS[:-1])
def test_a_modules_name_is_a_noun(package: str) -> None:
    stems = [(file, file.stem) for file in python_files(package)]
    assert [file for file, stem in stems if stem.endswith("ing") and not stem.endswith(NOUNS)] == []


def test_a_tests_name_has_at_most_60_characters() -> None:
    names = [name for file in python_files("tests") for name in re.findall(r"def (test_\w+)", file.read_text())]
    assert [name for name in names if len(name) > 60] == []


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
    "deployments/api/schemas/basic_editor.py": "the public fields sync_generation_id and ghostcut_task_id",
    "deployments/api/schemas/jobs.py": "the public field sync_generation_id",
    "deployments/api/views/basic_editor_view.py": "the same fields, and their columns",
    "deployments/api/views/status.py": "the same field, and its column",
    "videojobs/db/models.py": "the operators' column zhaoli_task_id",
    "videojobs/db/migrations/": "the column, and the keys of existing rows",
    "videojobs/providers/registry.py": "the default provider of each stage",
    "videojobs/requests/models.py": "the public names of models",
    "videojobs/settings.py": "limits whose reasons are facts of the vendors",
    "videojobs/testing/fault_injection.py": "the names of the fault points",
}


def test_vendor_names_stand_in_their_own_places_only() -> None:
    """Other places would have to change for a new vendor. Citations of fact sheets ("Sync.so 8") are exempt."""
    product = [file for file in tracked_files() if file.suffix == ".py" and "tests" not in file.relative_to(ROOT).parts]
    found = []
    for file in product:
        name = str(file.relative_to(ROOT))
        text = FACT_SHEET_CITATION.sub("", file.read_text()) if file.is_file() else ""
        if VENDOR_NAMES.search(text) and not name.startswith((*OWN_PLACES, *VENDOR_NAME_EXCEPTIONS)):
            found.append(name)
    assert found == []
