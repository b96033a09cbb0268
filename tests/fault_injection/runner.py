"""Runs a case: starts the job, injects faults, waits until it has recovered by itself, and collects the evidence."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

from tasks.runtime.deployment_names import JOB_DEPLOYMENTS
from tests.fault_injection.cases import Cancellation, Case, Cleanup, Injection, OperatorAction, Outcome
from tests.fault_injection.harness import FaultHarness, outcome_of
from videojobs.db import JobEvent, Submission, VideoJob
from videojobs.states import JobKind

RECOVERY_TIMEOUT: Final = 600.0  # for a job, and for each injection: ten at best, and the machine may be busy
MAX_CLEANUPS: Final = 3  # at most: a killed clean-up may leave the job to the next one
VENDOR_WAIT_POINT: Final = "sync_so.get.before_call"  # where a job that will be cancelled waits for its vendor


@dataclass
class CaseResult:
    """A case and its evidence."""

    case: Case
    seconds: float = 0.0
    passed_points: list[str] = field(default_factory=list)
    injected: list[Injection] = field(default_factory=list)
    job: VideoJob | None = None
    runs: list[FlowRun] = field(default_factory=list)
    unfinished_runs: list[FlowRun] = field(default_factory=list)
    events: list[JobEvent] = field(default_factory=list)
    submissions: list[Submission] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)
    paid: tuple[int, int] = (0, 0)
    defects: list[str] = field(default_factory=list)  # of the final video
    problems: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        return outcome_of(self.job)


async def run_case(harness: FaultHarness, case: Case) -> CaseResult:
    """Run a case from start to idle. Only the product itself may recover the job."""
    began = time.monotonic()
    result = CaseResult(case)
    run = await start_case(harness, case)
    driving = asyncio.create_task(_drive(harness, result, run))
    await _wait_until_idle(harness, result, driving)
    result.seconds = time.monotonic() - began
    await collect_evidence(harness, result)
    return result


async def start_case(harness: FaultHarness, case: Case) -> UUID:
    """Start the job with its vendor faults and its first injection armed."""
    kind = case.scenario
    for vendor, fault in kind.faults:
        await harness.driver.inject_fault(vendor, job_id=f"/{case.job_id}/", **fault)
    first = kind.follow_up.injection if isinstance(kind.follow_up, Cleanup) else None
    harness.arm_fault(
        case.job_id, first or (case.injections[0] if case.injections and kind.follow_up is None else None)
    )
    is_lecture = kind.job_kind is JobKind.LECTURE
    request = (
        harness.lecture_request()
        if is_lecture
        else harness.job_request(has_areas=kind.has_areas, is_large=kind.is_large)
    )
    parameters = {**request, **kind.request_overrides, "job_id": case.job_id}
    return await harness.start_run(JOB_DEPLOYMENTS[kind.job_kind], parameters, name=case.job_id)


async def _drive(harness: FaultHarness, result: CaseResult, run: UUID) -> None:
    """Everything after the start: the operator's action or the clean-up, and the further injections."""
    case, then = result.case, result.case.scenario.follow_up
    match then:
        case None:
            await _inject_all(harness, result)
        case OperatorAction():
            await harness.wait_until_idle(case.job_id, RECOVERY_TIMEOUT)
            await _apply_operator_action(harness, result, then)
        case Cancellation():
            await harness.wait_until_passed(case.job_id, VENDOR_WAIT_POINT, 1)
            harness.arm_fault(case.job_id, *case.injections[:1])
            await harness.driver.prefect.set_flow_run_state(run, Cancelling())
            await _inject_all(harness, result)
        case Cleanup():
            await _clean_up_job(harness, result, then, run)


async def _inject_all(harness: FaultHarness, result: CaseResult) -> None:
    """Wait for each injection, and arm the next one when it is over. The first one is already armed."""
    strikes = result.case.injections
    for number, strike in enumerate(strikes, start=1):
        await harness.wait_until_injected(result.case.job_id)
        result.injected.append(strike)
        harness.arm_fault(result.case.job_id, *strikes[number : number + 1])


async def _inject_during(harness: FaultHarness, result: CaseResult, action: Awaitable[None]) -> None:
    injecting = asyncio.create_task(_inject_all(harness, result))
    await action
    injecting.cancel()


async def _apply_operator_action(harness: FaultHarness, result: CaseResult, action: OperatorAction) -> None:
    job_id = result.case.job_id
    more: dict[str, Any] = {"job_id": job_id, "decision": action.decision, "reason": "a test", **action.parameters}
    if action.decision == "adopt":
        works = await harness.driver.vendor_submissions("ghostcut", f"/{job_id}/")
        assert len(works) == 1, (
            f"{job_id} came to rest otherwise than by a lost answer: {await harness.find_job(job_id)}"
        )
        more["vendor_id"] = str(works[0]["id"])
    harness.arm_fault(job_id, *result.case.injections[:1])
    run = await harness.start_run("resolve-job/resolve-job", more)
    await _inject_during(harness, result, harness.wait_for_run(run))


async def _clean_up_job(harness: FaultHarness, result: CaseResult, cleanup: Cleanup, run: UUID) -> None:
    """Once the job is stranded or over, backdate it by the clean-up's waiting time, and run a clean-up."""
    case = result.case
    if cleanup.injection is None:
        await harness.wait_until_idle(case.job_id, RECOVERY_TIMEOUT)
    else:
        await harness.wait_until_injected(case.job_id)
        result.injected.append(cleanup.injection)
    if cleanup.after_key_expiry:
        await harness.backdate_submission(case.job_id)
    harness.arm_fault(case.job_id, *case.injections[:1])
    await _inject_during(harness, result, _run_cleanups(harness, case))


async def _run_cleanups(harness: FaultHarness, case: Case) -> None:
    """Run clean-ups one after the other, as scheduled, until the job has its expected outcome."""
    config = {"dry_run": False, "batch_size": 500, "purge": {"user_ids": ["a-test"], "older_than_days": 1}}
    for _ in range(MAX_CLEANUPS):
        await harness.wait_until_lease_free(case.job_id)
        await harness.backdate_job(case.job_id)
        await harness.wait_for_run(await harness.start_run("cleanup/cleanup", {"config": config}))
        observation = await harness.wait_until_idle(
            case.job_id, RECOVERY_TIMEOUT, [case.scenario.expected], ignore_runs=is_hanging(case)
        )
        if observation.outcome == case.scenario.expected:
            return


async def _wait_until_idle(harness: FaultHarness, result: CaseResult, driving: asyncio.Task[None]) -> None:
    """Wait for the case's own actions, then until the job is idle."""
    case = result.case
    patience = case.scenario.extra_seconds + RECOVERY_TIMEOUT * (
        1 + len(case.injections) + (case.scenario.follow_up is not None)
    )
    if case.scenario.follow_up is not None:
        await asyncio.wait([driving], timeout=patience)
    observation = await harness.wait_until_idle(
        case.job_id, patience, [case.scenario.expected], ignore_runs=is_hanging(case)
    )
    if driving.done() and (error := driving.exception()):  # of one case: the others go on
        result.problems.append(f"the case could not be driven: {error!r}")
    driving.cancel()
    result.unfinished_runs = [] if is_hanging(case) else observation.runs


def is_hanging(case: Case) -> bool:
    """Whether a run of the case hangs, and stays until its process is killed."""
    then = case.scenario.follow_up
    return isinstance(then, Cleanup) and then.injection is not None and then.injection.action == "hang"


async def collect_evidence(harness: FaultHarness, result: CaseResult) -> None:
    """All records, and the final video."""
    job_id = result.case.job_id
    result.job = await harness.find_job(job_id)
    result.runs = await harness.runs_of(job_id)
    result.passed_points = harness.passed_points(job_id)
    paid = [await harness.driver.vendor_submissions(vendor, f"/{job_id}/") for vendor in ("sync_so", "ghostcut")]
    result.paid = (len(paid[0]), len(paid[1]))
    if result.job is None:
        result.objects = await harness.objects_of(job_id)
        return
    result.events = list(await harness.driver.repository.list_events(job_id))
    result.submissions = list(await harness.driver.repository.list_submissions(job_id))
    if result.outcome == "completed" and result.case.scenario.job_kind is JobKind.LECTURE:
        result.defects = await harness.lecture_defects(result.job, result.events)
    elif result.outcome == "completed":
        result.defects = await harness.video_defects(result.job)
