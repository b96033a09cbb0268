"""Commands of the Makefile get what `.env` says."""

import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"
PREREQUISITES = ("requirements/uv.txt", "requirements/local.txt", "pyproject.toml", ".venv/.uv", ".venv/.local")
DOTENV = ".venv/bin/dotenv run --no-override -- .venv/bin/python -m"


def planned_commands(target: str, folder: Path) -> str:
    command = ["make", "--dry-run", "--file", str(MAKEFILE), target]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(
    ("target", "module"),
    [
        ("deploy", "deployments.server.register"),
        ("doctor", "deployments.server.doctor"),
        ("migrate", "videojobs.db.migrate"),
    ],
)
def test_operators_commands_read_the_env_file(target: str, module: str, tmp_path: Path) -> None:
    for name in (*PREREQUISITES, ".env"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert f"{DOTENV} {module}" in planned_commands(target, tmp_path)
