"""What a fault point does: nothing by itself, and what a test asked for once, at one point, to one job."""

import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from videojobs import faults

POINT = "ledger.accept.before_commit"
OTHER = "ledger.accept.after_commit"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def watched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as a process has it that a test started with a folder."""
    monkeypatch.setenv("VIDEOJOBS_FAULTS", str(folder))
    assert faults.__spec__ is not None
    assert faults.__spec__.loader is not None
    own = importlib.util.module_from_spec(faults.__spec__)
    faults.__spec__.loader.exec_module(own)
    return own


def arm(folder: Path, job_id: str, **changes: Any) -> None:
    (folder / f"{job_id}.json").write_text(json.dumps({"point": POINT, "nth": 1, "action": "raise", **changes}))


def passed(folder: Path, job_id: str) -> list[str]:
    return (folder / f"{job_id}.passed").read_text().splitlines()


def test_without_a_folder_a_fault_point_does_nothing_not_even_look_at_its_name() -> None:
    faults.fault_point("no such point", "job")


def test_a_job_that_nobody_armed_passes_and_leaves_no_trace(watched: ModuleType, folder: Path) -> None:
    arm(folder, "other")
    watched.fault_point(POINT, "job")
    watched.fault_point(POINT)
    assert [file.name for file in folder.iterdir()] == ["other.json"]


def test_an_armed_job_is_struck_at_its_point_and_no_other(watched: ModuleType, folder: Path) -> None:
    arm(folder, "job")
    watched.fault_point(OTHER, "job")
    with pytest.raises(watched.Struck, match="a test asked to raise"):
        watched.fault_point(POINT, "job")
    assert passed(folder, "job") == [OTHER, POINT]


def test_it_strikes_when_the_point_is_passed_for_the_nth_time_and_never_again(
    watched: ModuleType, folder: Path
) -> None:
    arm(folder, "job", nth=2)
    watched.fault_point(POINT, "job")
    with pytest.raises(watched.Struck):
        watched.fault_point(POINT, "job")
    watched.fault_point(POINT, "job")


def test_a_recording_never_strikes(watched: ModuleType, folder: Path) -> None:
    arm(folder, "job", nth=0)
    for _ in range(3):
        watched.fault_point(POINT, "job")
    assert passed(folder, "job") == [POINT] * 3


def test_a_point_that_nobody_listed_is_a_mistake_wherever_faults_are_looked_for(watched: ModuleType) -> None:
    with pytest.raises(ValueError, match="not in the list"):
        watched.fault_point("ledger.invented.before_commit")


def test_the_job_in_hand_is_the_one_that_is_struck(watched: ModuleType, folder: Path) -> None:
    arm(folder, "job")
    watched.job_in_hand.set("job")
    with pytest.raises(watched.Struck):
        watched.fault_point(POINT)


def test_a_kill_leaves_the_process_no_last_word_and_strikes_once_in_all_its_lives(folder: Path) -> None:
    arm(folder, "job", action="kill")
    program = f"from videojobs.faults import fault_point as f\ntry: f({POINT!r}, 'job')\nfinally: print('spoke')"
    command = [sys.executable, "-c", program]
    first, second = (
        subprocess.run(command, env={"VIDEOJOBS_FAULTS": str(folder)}, capture_output=True, check=False, timeout=30)
        for _ in range(2)
    )
    assert (first.returncode, first.stdout) == (-signal.SIGKILL, b"")
    assert (second.returncode, second.stdout) == (0, b"spoke\n")


def test_a_hang_holds_the_process_where_it_is(folder: Path) -> None:
    arm(folder, "job", action="hang")
    program = f"from videojobs.faults import fault_point as f; f({POINT!r}, 'job'); print('went on')"
    with pytest.raises(subprocess.TimeoutExpired) as held:
        subprocess.run(
            [sys.executable, "-c", program],
            env={"VIDEOJOBS_FAULTS": str(folder)},
            capture_output=True,
            check=False,
            timeout=1,
        )
    assert not held.value.stdout
    assert passed(folder, "job") == [POINT]
