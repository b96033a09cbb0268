"""Runs share a process, and nothing else: not their fate, not their logs, not their states."""

from uuid import uuid4

import pytest
from anyio import Path
from prefect.states import Cancelling, Crashed, Scheduled, Suspended

from tests.worker.crew import Crew
from tests.worker.small_flows import go_wrong, meet, nap, not_async


async def test_two_runs_wait_for_each_other_in_one_process(one: Crew) -> None:
    left, right = uuid4().hex, uuid4().hex
    runs = [await one.give(meet, me=left, other=right), await one.give(meet, me=right, other=left)]
    ended = [await one.comes_to(run, "Completed") for run in runs]
    assert ended[0].infrastructure_pid == ended[1].infrastructure_pid
    assert {run.run_count for run in ended} == {1}


async def test_the_logs_of_a_run_are_on_its_page_and_on_no_other(one: Crew) -> None:
    for run in (await one.give(nap, seconds=0.5), await one.give(nap, seconds=0.5)):
        lines = await one.log(run, until_it_says="Finished in state Completed()")
        assert [lines.count(f"hello from the {who}") for who in ("flow", "step")] == [1, 1]


@pytest.mark.parametrize(
    ("how", "state", "message"),
    [
        ("raise", "Failed", "wrong on purpose"),
        ("exit", "Crashed", "system exit"),
        ("exit in a task of its own", "Crashed", "system exit"),
    ],
)
async def test_a_run_that_goes_wrong_does_not_touch_its_neighbour(
    one: Crew, how: str, state: str, message: str
) -> None:
    neighbour = await one.give(nap, seconds=3)
    await one.comes_to(neighbour, "Running")
    wrong = await one.comes_to(await one.give(go_wrong, how=how), "Failed", "Crashed")
    assert wrong.state is not None
    assert (wrong.state.name, message in str(wrong.state.message)) == (state, True)
    neighbour = await one.comes_to(neighbour, "Completed")
    assert (neighbour.run_count, neighbour.infrastructure_pid) == (1, wrong.infrastructure_pid)


async def test_what_a_run_raised_is_kept_where_prefect_keeps_results(one: Crew) -> None:
    """Not among the machine's temporary files, where each failed run would leave one that nobody looks for."""
    wrong = await one.comes_to(await one.give(go_wrong, how="raise"), "Failed")
    assert wrong.state is not None
    kept = Path(str(wrong.state.data.storage_key))
    storage = Path(one.desk.stack.variables["PREFECT_HOME"], "storage")
    assert (kept.parent, await kept.is_file()) == (storage, True)


async def test_a_flow_that_cannot_be_run_here_fails_and_is_not_run_again_and_again(one: Crew) -> None:
    run = await one.comes_to(await one.give(not_async), "Failed", "Crashed")
    assert run.state is not None
    assert (run.state.name, "is not async" in str(run.state.message)) == ("Failed", True)


async def test_a_cancelled_run_unwinds_then_has_its_hook_called_and_ends_cancelled(one: Crew) -> None:
    run = await one.give(nap, seconds=3600)
    await one.log(run, until_it_says="hello from the step")
    await one.set(run, Cancelling())
    await one.comes_to(run, "Cancelled")
    lines = await one.log(run, until_it_says="Hook 'remember' finished running successfully")
    hook = "Running hook 'remember' in response to entering state 'Cancelling'"
    assert (lines.index("unwound") < lines.index(hook), lines.count(hook)) == (True, 1)
    assert (await one.states(run))[-3:] == ["Running", "Cancelling", "Cancelled"]


async def test_a_suspended_run_stops_and_is_run_again_when_it_is_resumed(one: Crew) -> None:
    run = await one.give(nap, seconds=3)
    await one.log(run, until_it_says="hello from the step")
    await one.set(run, Suspended(timeout_seconds=300))
    lines = await one.log(run, until_it_says="unwound")
    assert "Finished in state Completed()" not in lines
    assert (await one.look(run)).state_name == "Suspended"
    await one.prefect.resume_flow_run(run.id)
    await one.comes_to(run, "Completed")
    assert (await one.states(run)).count("Running") == 2


async def test_a_run_that_was_taken_for_dead_is_begun_anew_and_not_run_twice_at_once(one: Crew) -> None:
    """As when its signs of life got lost on their way: the automation has it Crashed, and scheduled again."""
    run = await one.give(nap, seconds=3)
    await one.log(run, until_it_says="hello from the step")
    await one.set(run, Crashed(message="The run has fallen silent."))
    await one.set(run, Scheduled(name="AwaitingRetry"))
    assert (await one.comes_to(run, "Completed")).run_count == 2
    lines = await one.log(run, until_it_says="unwound", times=2)
    assert [line for line in lines if line in ("hello from the flow", "unwound")] == [
        "hello from the flow",
        "unwound",
    ] * 2


async def test_a_worker_makes_its_pool_and_keeps_to_its_limit(crew: Crew) -> None:
    await crew.worker("limited", "--type", "coroutine", "--limit", "1")
    first, second = await crew.give(nap, seconds=1.5), await crew.give(nap, seconds=0.1)
    first, second = await crew.comes_to(first, "Completed"), await crew.comes_to(second, "Completed")
    assert first.end_time is not None
    assert second.start_time is not None
    assert first.end_time <= second.start_time
    pool = await crew.prefect.read_work_pool(crew.pool)
    assert (pool.type, list(pool.base_job_template["variables"]["properties"])) == ("coroutine", ["entrypoint"])
