"""Runs share a process and nothing else: neither failures, logs nor states."""

from uuid import uuid4

import pytest
from anyio import Path
from prefect.states import Cancelling, Crashed, Scheduled, Suspended

from tests.support.small_flows import meet, misbehave, nap, not_async
from tests.support.worker_pool import WorkerPool


async def test_two_runs_share_one_process(shared_pool: WorkerPool) -> None:
    left, right = uuid4().hex, uuid4().hex
    runs = [
        await shared_pool.start_run(meet, me=left, other=right),
        await shared_pool.start_run(meet, me=right, other=left),
    ]
    ended = [await shared_pool.wait_for_state(run, "Completed") for run in runs]
    assert ended[0].infrastructure_pid == ended[1].infrastructure_pid
    assert {run.run_count for run in ended} == {1}


async def test_a_run_page_shows_its_own_logs_only(shared_pool: WorkerPool) -> None:
    for run in (await shared_pool.start_run(nap, seconds=0.5), await shared_pool.start_run(nap, seconds=0.5)):
        lines = await shared_pool.wait_for_log(run, expected_line="Finished in state Completed()")
        assert [lines.count(f"hello from the {who}") for who in ("flow", "step")] == [1, 1]


@pytest.mark.parametrize(
    ("how", "state", "message"),
    [
        ("raise", "Failed", "wrong on purpose"),
        ("exit", "Crashed", "system exit"),
        ("exit in a task of its own", "Crashed", "system exit"),
    ],
)
async def test_a_misbehaving_run_does_not_affect_other_runs(
    shared_pool: WorkerPool, how: str, state: str, message: str
) -> None:
    neighbour = await shared_pool.start_run(nap, seconds=3)
    await shared_pool.wait_for_state(neighbour, "Running")
    wrong = await shared_pool.wait_for_state(await shared_pool.start_run(misbehave, how=how), "Failed", "Crashed")
    assert wrong.state is not None
    assert (wrong.state.name, message in str(wrong.state.message)) == (state, True)
    neighbour = await shared_pool.wait_for_state(neighbour, "Completed")
    assert (neighbour.run_count, neighbour.infrastructure_pid) == (1, wrong.infrastructure_pid)


async def test_a_raised_error_is_stored_with_prefect_results(shared_pool: WorkerPool) -> None:
    """Not in the machine's temporary folder, where each failed run would leave a file behind."""
    wrong = await shared_pool.wait_for_state(await shared_pool.start_run(misbehave, how="raise"), "Failed")
    assert wrong.state is not None
    kept = Path(str(wrong.state.data.storage_key))
    storage = Path(shared_pool.driver.stack.variables["PREFECT_HOME"], "storage")
    assert (kept.parent, await kept.is_file()) == (storage, True)


async def test_an_unrunnable_flow_fails_without_retries(shared_pool: WorkerPool) -> None:
    run = await shared_pool.wait_for_state(await shared_pool.start_run(not_async), "Failed", "Crashed")
    assert run.state is not None
    assert (run.state.name, "is not async" in str(run.state.message)) == ("Failed", True)


async def test_a_cancelled_run_unwinds_and_calls_its_hook(shared_pool: WorkerPool) -> None:
    run = await shared_pool.start_run(nap, seconds=3600)
    await shared_pool.wait_for_log(run, expected_line="hello from the step")
    await shared_pool.set_state(run, Cancelling())
    await shared_pool.wait_for_state(run, "Cancelled")
    lines = await shared_pool.wait_for_log(run, expected_line="Hook 'remember' finished running successfully")
    hook = "Running hook 'remember' in response to entering state 'Cancelling'"
    assert (lines.index("unwound") < lines.index(hook), lines.count(hook)) == (True, 1)
    assert (await shared_pool.state_names(run))[-3:] == ["Running", "Cancelling", "Cancelled"]


async def test_a_suspended_run_stops_and_restarts_on_resume(shared_pool: WorkerPool) -> None:
    run = await shared_pool.start_run(nap, seconds=3)
    await shared_pool.wait_for_log(run, expected_line="hello from the step")
    await shared_pool.set_state(run, Suspended(timeout_seconds=300))
    lines = await shared_pool.wait_for_log(run, expected_line="unwound")
    assert "Finished in state Completed()" not in lines
    assert (await shared_pool.read_run(run)).state_name == "Suspended"
    await shared_pool.prefect.resume_flow_run(run.id)
    await shared_pool.wait_for_state(run, "Completed")
    assert (await shared_pool.state_names(run)).count("Running") == 2


async def test_a_run_presumed_dead_restarts_without_overlap(shared_pool: WorkerPool) -> None:
    """As after lost heartbeats: the automation marks the run Crashed, and schedules it again."""
    run = await shared_pool.start_run(nap, seconds=3)
    await shared_pool.wait_for_log(run, expected_line="hello from the step")
    await shared_pool.set_state(run, Crashed(message="The run has fallen silent."))
    await shared_pool.set_state(run, Scheduled(name="AwaitingRetry"))
    assert (await shared_pool.wait_for_state(run, "Completed")).run_count == 2
    lines = await shared_pool.wait_for_log(run, expected_line="unwound", times=2)
    assert [line for line in lines if line in ("hello from the flow", "unwound")] == [
        "hello from the flow",
        "unwound",
    ] * 2


async def test_a_worker_creates_its_pool_and_respects_its_limit(worker_pool: WorkerPool) -> None:
    await worker_pool.start_worker("limited", "--type", "coroutine", "--limit", "1")
    first, second = await worker_pool.start_run(nap, seconds=1.5), await worker_pool.start_run(nap, seconds=0.1)
    first, second = (
        await worker_pool.wait_for_state(first, "Completed"),
        await worker_pool.wait_for_state(second, "Completed"),
    )
    assert first.end_time is not None
    assert second.start_time is not None
    assert first.end_time <= second.start_time
    pool = await worker_pool.prefect.read_work_pool(worker_pool.name)
    assert (pool.type, list(pool.base_job_template["variables"]["properties"])) == ("coroutine", ["entrypoint"])
