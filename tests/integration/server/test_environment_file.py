"""`.env`: every line of `.env.example` is a setting, and reaches the commands that read it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.server.configuration_docs import GROUPS, variable_name
from deployments.server.environment import REPOSITORY_ROOT, Environment

EXAMPLE = re.findall(r"^([A-Z][A-Z0-9_]*)=", (REPOSITORY_ROOT / ".env.example").read_text(), re.MULTILINE)
MODELS = {
    variable_name(model, field): model for group in GROUPS for model in group.models for field in model.model_fields
}
PRINT_ENVIRONMENT = f"#!{sys.executable}\nimport json, os\nprint(json.dumps(dict(os.environ)))\n"


@pytest.mark.parametrize("name", EXAMPLE)
def test_a_variable_of_the_example_sets_a_field(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value := "slack-webhook/operators")
    assert value in MODELS[name]().model_dump_json() or value in Environment().variables().values()


@pytest.mark.parametrize("target", ["deploy", "doctor", "up", "migrate"])
def test_make_passes_every_line_of_the_file_on(tmp_path: Path, target: str) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}=from the file\n" for name in [*EXAMPLE, "VIDEOJOBS_WORK_POOL"]))
    passed = run_make(tmp_path, target, {"S3_BUCKET": "from the process"})
    assert {name: passed[name] for name in EXAMPLE if name != "S3_BUCKET"} == {
        name: "from the file" for name in EXAMPLE if name != "S3_BUCKET"
    }
    assert passed["VIDEOJOBS_WORK_POOL"] == "from the file"
    assert passed["S3_BUCKET"] == "from the process"  # it wins


def test_deployments_read_no_secret_from_the_environment() -> None:
    """A deployment's job variables are shown to everyone who may see the deployment."""
    read = set(re.findall(r"\$(\w+)", (REPOSITORY_ROOT / "prefect.yaml").read_text()))
    assert read == {"VIDEOJOBS_WORK_POOL", "VIDEOJOBS_LECTURE_WORK_POOL", "VIDEOJOBS_IMAGE"}


def test_make_needs_no_environment_file(tmp_path: Path) -> None:
    assert "S3_BUCKET" not in run_make(tmp_path, "doctor", {})


def run_make(folder: Path, target: str, variables: dict[str, str]) -> dict[str, str]:
    """Run a target of our Makefile in `folder`; returns the environment that its Python command gets."""
    tools = folder / "bin"
    tools.mkdir()
    (tools / "dotenv").symlink_to(Path(sys.executable).parent / "dotenv")
    (tools / "python").write_text(PRINT_ENVIRONMENT)
    (tools / "python").chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if name not in EXAMPLE}
    make = [str(shutil.which("make")), "--silent", f"--file={REPOSITORY_ROOT / 'Makefile'}", "--old-file=.venv/.local"]
    result = subprocess.run(
        [*make, f"BIN={tools}", target], cwd=folder, env={**inherited, **variables}, capture_output=True, check=True
    )
    environment: dict[str, str] = json.loads(result.stdout)
    return environment
