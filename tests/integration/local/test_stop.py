"""However the stack ends, none of its processes remains."""

from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals

import pytest

from deployments.local.stack.stack import Stack
from deployments.server.environment import EMPTY_ENVIRONMENT
from tests.support.supervisor import SERVICES, Supervisor


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
def test_a_signal_stops_the_stack_without_leftover_processes(supervisor: Supervisor, number: Signals) -> None:
    supervisor.run_until_up()

    supervisor.signal(number)

    assert supervisor.exit_code() == 0
    assert not supervisor.survivors()


def test_ctrl_c_during_startup_leaves_no_process(supervisor: Supervisor) -> None:
    supervisor.start()
    supervisor.read_until("ready after")  # the first of the two

    supervisor.signal(SIGINT)

    assert supervisor.exit_code() in {130, 0}  # 0 if the other service was ready at the same moment
    assert not supervisor.survivors()


def test_ctrl_c_twice_ends_everything_at_once(supervisor: Supervisor) -> None:
    supervisor.run_until_up()
    supervisor.service_process("rclone").suspend()  # a suspended process does not react to SIGTERM

    supervisor.signal(SIGINT)
    supervisor.read_until("Stopping")
    supervisor.signal(SIGINT)

    assert supervisor.exit_code(timeout=5) == 0
    assert not supervisor.survivors()


def test_kill_9_leaves_no_process_and_the_stack_restarts(supervisor: Supervisor) -> None:
    supervisor.run_until_up()

    supervisor.signal(SIGKILL)

    assert supervisor.exit_code() == -SIGKILL
    assert not supervisor.survivors()
    supervisor.run_until_up()


async def test_the_next_start_ends_orphaned_processes(supervisor: Supervisor, data: Path) -> None:
    supervisor.run_until_up()
    watchdog, store = supervisor.service_process("watchdog"), supervisor.service_process("rclone")
    watchdog.kill()
    supervisor.signal(SIGKILL)
    supervisor.exit_code()
    assert store.is_running()

    async with Stack(data=data, environment=EMPTY_ENVIRONMENT, services=SERVICES):
        assert not supervisor.survivors()


def test_a_service_that_exits_stops_the_stack_with_a_message(supervisor: Supervisor) -> None:
    supervisor.run_until_up()

    supervisor.service_process("rclone").kill()

    assert "object_store: exited by itself (signal SIGKILL)" in supervisor.read_until("object_store")
    assert supervisor.exit_code() == 1
    assert not supervisor.survivors()
