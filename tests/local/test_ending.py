"""However the stack ends, no process of it stays."""

from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals

import pytest

from deployments.environment import NOTHING_GIVEN
from deployments.local.stack import Stack
from tests.local.supervisor import PARTS, Supervisor


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
def test_a_signal_stops_a_running_stack_and_leaves_no_process(supervisor: Supervisor, number: Signals) -> None:
    supervisor.run_until_up()

    supervisor.signal(number)

    assert supervisor.exit_code() == 0
    assert not supervisor.survivors()


def test_ctrl_c_in_the_middle_of_the_start_leaves_no_process(supervisor: Supervisor) -> None:
    supervisor.start()
    supervisor.read_until("ready after")  # the first of the two

    supervisor.signal(SIGINT)

    assert supervisor.exit_code() in {130, 0}  # 0 if the other part was ready at the same moment
    assert not supervisor.survivors()


def test_ctrl_c_twice_ends_everything_at_once(supervisor: Supervisor) -> None:
    supervisor.run_until_up()
    supervisor.part("rclone").suspend()  # it would take no notice of a polite request

    supervisor.signal(SIGINT)
    supervisor.read_until("Stopping")
    supervisor.signal(SIGINT)

    assert supervisor.exit_code(within=5) == 0
    assert not supervisor.survivors()


def test_kill_9_of_the_stack_leaves_no_process_and_the_next_start_works(supervisor: Supervisor) -> None:
    supervisor.run_until_up()

    supervisor.signal(SIGKILL)

    assert supervisor.exit_code() == -SIGKILL
    assert not supervisor.survivors()
    supervisor.run_until_up()


async def test_what_outlived_a_stack_and_its_watchdog_is_ended_by_the_next_start(
    supervisor: Supervisor, data: Path
) -> None:
    supervisor.run_until_up()
    watchdog, store = supervisor.part("watchdog"), supervisor.part("rclone")
    watchdog.kill()
    supervisor.signal(SIGKILL)
    supervisor.exit_code()
    assert store.is_running()

    async with Stack(data=data, environment=NOTHING_GIVEN, wanted=PARTS):
        assert not supervisor.survivors()


def test_a_part_that_ends_by_itself_stops_the_stack_with_a_message(supervisor: Supervisor) -> None:
    supervisor.run_until_up()

    supervisor.part("rclone").kill()

    assert "object_store: ended by itself (signal SIGKILL)" in supervisor.read_until("object_store")
    assert supervisor.exit_code() == 1
    assert not supervisor.survivors()
