"""Ending a program of the stack and whatever it started."""

import asyncio
import sys
from pathlib import Path
from signal import SIGTERM

import psutil
import pytest

from deployments.environment import NOTHING_GIVEN
from deployments.local.errors import PartFailed
from deployments.local.folder import Folder
from deployments.local.launcher import Launcher
from deployments.local.marking import marked
from deployments.local.process import Process

# As Prefect's process worker does: a child in a session of its own, out of reach of signals to the parent's group.
STARTS_A_CHILD = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("started", flush=True)
"""


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    (tmp_path / "logs").mkdir()
    return Launcher(Folder(tmp_path), NOTHING_GIVEN)


def python(launcher: Launcher, program: str) -> Process:
    return launcher.process("part", [sys.executable, "-c", program])


async def logged(process: Process, text: str) -> None:
    async def is_logged() -> bool:
        return process.has_logged(text)

    await process.until(is_logged, patience=10)


async def test_a_kill_reaches_children_in_sessions_of_their_own(launcher: Launcher) -> None:
    process = python(launcher, STARTS_A_CHILD + "import time; time.sleep(600)")
    await process.start()
    await logged(process, "started")
    assert len(marked(launcher.mark)) == 2

    await process.kill()

    assert marked(launcher.mark) == []


async def test_a_kill_reaches_children_whose_parent_has_ended(launcher: Launcher) -> None:
    process = python(launcher, STARTS_A_CHILD)
    await process.succeed()
    [orphan] = marked(launcher.mark)
    assert orphan.ppid() != psutil.Process().pid

    await process.kill()

    assert marked(launcher.mark) == []


async def test_a_program_that_does_not_listen_to_the_signal_is_killed(launcher: Launcher) -> None:
    process = python(
        launcher, "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    await process.start()
    await logged(process, "deaf")

    await process.stop(SIGTERM, patience=0.1)

    assert not process.running
    assert not process.ended_by_itself


async def test_a_program_that_is_not_ready_in_time_has_failed(launcher: Launcher) -> None:
    process = python(launcher, "print('thinking', flush=True); import time; time.sleep(600)")
    await process.start()
    await logged(process, "thinking")

    async def never() -> bool:
        return False

    with pytest.raises(PartFailed, match=r"was not ready after 0 s\n(.|\n)*thinking"):
        await process.until(never, patience=0)
    await process.kill()


async def test_a_step_that_fails_shows_what_it_said(launcher: Launcher) -> None:
    with pytest.raises(PartFailed, match=r"exit code 3(.|\n)*no such table"):
        await python(launcher, "print('no such table', flush=True); raise SystemExit(3)").succeed()


async def test_a_program_that_is_not_there_is_named(launcher: Launcher) -> None:
    with pytest.raises(PartFailed, match=r"part: cannot be started .*no/such/program"):
        await launcher.process("part", ["/no/such/program"]).start()


async def test_only_the_log_since_the_last_start_counts(launcher: Launcher) -> None:
    process = python(launcher, "import os; print(os.getpid(), flush=True)")
    await process.succeed()
    first = (await asyncio.to_thread(Path.read_text, process.log)).strip()
    await process.succeed()

    assert not process.has_logged(first)
