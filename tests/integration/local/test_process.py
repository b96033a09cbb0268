"""Stopping a process of the stack and all processes that it started."""

import asyncio
import sys
from pathlib import Path
from signal import SIGTERM

import psutil
import pytest

from deployments.local.stack.data_dir import DataDir
from deployments.local.stack.errors import ServiceFailed
from deployments.local.stack.process import Process
from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.process_tags import tagged_processes
from deployments.server.environment import EMPTY_ENVIRONMENT

# As Prefect's process worker does: a child in its own session, out of reach of signals to the parent's group.
SPAWN_CHILD_PROGRAM = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("started", flush=True)
"""


@pytest.fixture
def launcher(tmp_path: Path) -> ProcessFactory:
    (tmp_path / "logs").mkdir()
    return ProcessFactory(DataDir(tmp_path), EMPTY_ENVIRONMENT)


def python_process(launcher: ProcessFactory, program: str) -> Process:
    return launcher.create_process("part", [sys.executable, "-c", program])


async def wait_for_log(process: Process, text: str) -> None:
    async def is_logged() -> bool:
        return process.has_logged(text)

    await process.wait_until_ready(is_logged, timeout=10)


async def test_a_kill_reaches_children_in_their_own_sessions(launcher: ProcessFactory) -> None:
    process = python_process(launcher, SPAWN_CHILD_PROGRAM + "import time; time.sleep(600)")
    await process.start()
    await wait_for_log(process, "started")
    assert len(tagged_processes(launcher.run_tag)) == 2

    await process.kill()

    assert tagged_processes(launcher.run_tag) == []


async def test_a_kill_reaches_children_of_an_exited_parent(launcher: ProcessFactory) -> None:
    process = python_process(launcher, SPAWN_CHILD_PROGRAM)
    await process.run_checked()
    [orphan] = tagged_processes(launcher.run_tag)
    assert orphan.ppid() != psutil.Process().pid

    await process.kill()

    assert tagged_processes(launcher.run_tag) == []


async def test_a_program_ignoring_sigterm_is_killed(launcher: ProcessFactory) -> None:
    process = python_process(
        launcher, "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    await process.start()
    await wait_for_log(process, "deaf")

    await process.stop(SIGTERM, timeout=0.1)

    assert not process.is_running
    assert not process.exited_unexpectedly


async def test_a_program_not_ready_in_time_fails(launcher: ProcessFactory) -> None:
    process = python_process(launcher, "print('thinking', flush=True); import time; time.sleep(600)")
    await process.start()
    await wait_for_log(process, "thinking")

    async def never_ready() -> bool:
        return False

    with pytest.raises(ServiceFailed, match=r"was not ready after 0 s\n(.|\n)*thinking"):
        await process.wait_until_ready(never_ready, timeout=0)
    await process.kill()


async def test_a_failed_step_shows_its_output(launcher: ProcessFactory) -> None:
    with pytest.raises(ServiceFailed, match=r"exit code 3(.|\n)*no such table"):
        await python_process(launcher, "print('no such table', flush=True); raise SystemExit(3)").run_checked()


async def test_a_missing_program_is_named(launcher: ProcessFactory) -> None:
    with pytest.raises(ServiceFailed, match=r"part: cannot start .*no/such/program"):
        await launcher.create_process("part", ["/no/such/program"]).start()


async def test_only_the_log_since_the_last_start_counts(launcher: ProcessFactory) -> None:
    process = python_process(launcher, "import os; print(os.getpid(), flush=True)")
    await process.run_checked()
    first = (await asyncio.to_thread(Path.read_text, process.log)).strip()
    await process.run_checked()

    assert not process.has_logged(first)
