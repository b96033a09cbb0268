"""A fault point does nothing, unless a test has armed it: then it acts once, at one point, for one job."""

import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from videojobs.testing import fault_injection

POINT = "db.record_accepted.before_commit"
OTHER_POINT = "db.record_accepted.after_commit"


@pytest.fixture
def fault_dir(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def armed_module(fault_dir: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as in a process that a test started with a fault folder."""
    monkeypatch.setenv("VIDEOJOBS_FAULT_DIR", str(fault_dir))
    assert fault_injection.__spec__ is not None
    assert fault_injection.__spec__.loader is not None
    own = importlib.util.module_from_spec(fault_injection.__spec__)
    fault_injection.__spec__.loader.exec_module(own)
    return own


def arm(fault_dir: Path, job_id: str, **changes: Any) -> None:
    (fault_dir / f"{job_id}.json").write_text(json.dumps({"point": POINT, "nth": 1, "action": "raise", **changes}))


def passed_points(fault_dir: Path, job_id: str) -> list[str]:
    return (fault_dir / f"{job_id}.passed").read_text().splitlines()


def test_without_a_directory_a_fault_point_does_nothing() -> None:
    fault_injection.fault_point("no such point", "job")


def test_an_unarmed_job_passes_without_a_record(armed_module: ModuleType, fault_dir: Path) -> None:
    arm(fault_dir, "other")
    armed_module.fault_point(POINT, "job")
    armed_module.fault_point(POINT)
    assert [file.name for file in fault_dir.iterdir()] == ["other.json"]


def test_a_fault_is_injected_only_at_its_own_point(armed_module: ModuleType, fault_dir: Path) -> None:
    arm(fault_dir, "job")
    armed_module.fault_point(OTHER_POINT, "job")
    with pytest.raises(armed_module.InjectedFault, match="a test requested raise"):
        armed_module.fault_point(POINT, "job")
    assert passed_points(fault_dir, "job") == [OTHER_POINT, POINT]


def test_a_fault_is_injected_once_at_the_nth_pass(armed_module: ModuleType, fault_dir: Path) -> None:
    arm(fault_dir, "job", nth=2)
    armed_module.fault_point(POINT, "job")
    with pytest.raises(armed_module.InjectedFault):
        armed_module.fault_point(POINT, "job")
    armed_module.fault_point(POINT, "job")


def test_recording_injects_no_fault(armed_module: ModuleType, fault_dir: Path) -> None:
    arm(fault_dir, "job", nth=0)
    for _ in range(3):
        armed_module.fault_point(POINT, "job")
    assert passed_points(fault_dir, "job") == [POINT] * 3


def test_an_unregistered_fault_point_is_an_error(armed_module: ModuleType) -> None:
    with pytest.raises(ValueError, match="not in the list"):
        armed_module.fault_point("db.invented.before_commit")


def test_a_fault_is_injected_into_the_current_job(armed_module: ModuleType, fault_dir: Path) -> None:
    arm(fault_dir, "job")
    armed_module.current_job_id.set("job")
    with pytest.raises(armed_module.InjectedFault):
        armed_module.fault_point(POINT)


def test_a_kill_is_immediate_and_happens_once_across_restarts(fault_dir: Path) -> None:
    arm(fault_dir, "job", action="kill")
    program = (
        "from videojobs.testing.fault_injection import fault_point as f\n"
        f"try: f({POINT!r}, 'job')\nfinally: print('spoke')"
    )
    command = [sys.executable, "-c", program]
    first, second = (
        subprocess.run(
            command, env={"VIDEOJOBS_FAULT_DIR": str(fault_dir)}, capture_output=True, check=False, timeout=30
        )
        for _ in range(2)
    )
    assert (first.returncode, first.stdout) == (-signal.SIGKILL, b"")
    assert (second.returncode, second.stdout) == (0, b"spoke\n")


def test_a_hang_blocks_the_process(fault_dir: Path) -> None:
    arm(fault_dir, "job", action="hang")
    program = f"from videojobs.testing.fault_injection import fault_point as f; f({POINT!r}, 'job'); print('went on')"
    with pytest.raises(subprocess.TimeoutExpired) as held:
        subprocess.run(
            [sys.executable, "-c", program],
            env={"VIDEOJOBS_FAULT_DIR": str(fault_dir)},
            capture_output=True,
            check=False,
            timeout=1,
        )
    assert not held.value.stdout
    assert passed_points(fault_dir, "job") == [POINT]
