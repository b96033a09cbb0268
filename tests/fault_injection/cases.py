"""The test cases: scenarios, and the injections for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from videojobs.states import JobKind
from videojobs.testing.fault_injection import BATCH_POINTS, DELIVERY_POINTS

Outcome = Literal["completed", "failed", "cancelled", "parked", "processing", "pending", "no row"]
Action = Literal["kill", "raise", "hang"]
VendorFault = tuple[str, Mapping[str, Any]]
"""A vendor, and a fault to inject there."""


@dataclass(frozen=True, slots=True)
class Injection:
    """The nth time that a job passes a point, counted from when the fault is armed."""

    point: str
    nth: int = 1
    action: Action = "kill"


@dataclass(frozen=True, slots=True)
class OperatorAction:
    """An operator's run, after the job is idle."""

    decision: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The run is cancelled in Prefect while it waits for a vendor."""


@dataclass(frozen=True, slots=True)
class Cleanup:
    """A clean-up of the job: `injection` makes it stuck; without one, it ended long ago and may be purged."""

    injection: Injection | None = None
    after_key_expiry: bool = False  # so late that the vendor no longer knows the idempotency key


FollowUp = OperatorAction | Cancellation | Cleanup


@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    """A job and its expected result, whatever fault is injected."""

    name: str
    expected: Outcome
    expected_submissions: tuple[int, int]  # submissions recorded by Sync.so and by GhostCut
    job_kind: JobKind = JobKind.PRO_VIDEO
    has_areas: bool = False
    is_large: bool = False
    request_overrides: Mapping[str, Any] = field(default_factory=dict)
    faults: Sequence[VendorFault] = ()
    extra_seconds: float = 0  # seconds more than the usual time limit
    follow_up: FollowUp | None = None  # what the case's injections target, if not the job itself


@dataclass(frozen=True, slots=True)
class Case:
    """One job. If it has several injections, each is armed after the previous one is over."""

    number: int
    scenario: Scenario
    injections: tuple[Injection, ...] = ()

    @property
    def job_id(self) -> str:
        return f"fault-{self.number:04}"

    @property
    def all_injections(self) -> tuple[Injection, ...]:
        """Including the one that leaves the job to a clean-up."""
        first = self.scenario.follow_up.injection if isinstance(self.scenario.follow_up, Cleanup) else None
        return (*([first] if first else []), *self.injections)


def sync_so_fault(kind: str, **more: Any) -> VendorFault:
    return "sync_so", {"kind": kind, **more}


def ghostcut_fault(kind: str, **more: Any) -> VendorFault:
    return "ghostcut", {"kind": kind, **more}


NO_SYNC_SO_CALLBACK: Final = sync_so_fault("webhook", effect="drop", times=9)
NO_CALLBACK: Final = ghostcut_fault("callback", effect="drop", times=9)
LOST_RESPONSE: Final = ghostcut_fault("reset", when="after")
UNLISTED: Final = ghostcut_fault("listed", effect="bare_url", times=1000)

# ---- scenarios with injections ---------------------------------------------------------------------------

LIP_SYNC: Final = Scenario("lip-sync", "completed", (1, 0))
CHAINED: Final = Scenario("lip-sync and text removal", "completed", (1, 1), has_areas=True)
REJECTED: Final = Scenario("refused at admission", "failed", (0, 0), request_overrides={"audio": [], "segments": []})
REMOVAL_ONLY: Final = Scenario(
    "text removal only", "completed", (0, 1), has_areas=True, request_overrides={"audio": [], "segments": []}
)
SYNC_FAILS: Final = Scenario("Sync.so fails", "failed", (1, 0), faults=[sync_so_fault("ends")])
RATE_LIMITED: Final = Scenario("Sync.so asks to wait", "completed", (1, 0), faults=[sync_so_fault("rate_limited")])
GHOSTCUT_FAILS: Final = Scenario(
    "GhostCut fails", "failed", (1, 1), has_areas=True, faults=[ghostcut_fault("ends", status=20)]
)
LOST_SUBMISSION: Final = replace(CHAINED, name="GhostCut's answer is lost", faults=[LOST_RESPONSE, NO_CALLBACK])
LOST_THEN_CALLBACK: Final = replace(
    LOST_SUBMISSION, name="GhostCut's answer is lost, its callback comes", faults=[LOST_RESPONSE, UNLISTED]
)
PAID_CALL_5XX: Final = replace(
    CHAINED, name="GhostCut: 5xx to the paid call", faults=[ghostcut_fault("http_error", status=503)]
)
UNRESOLVED: Final = replace(
    LOST_SUBMISSION,
    name="GhostCut's answer is lost, and its list does not show our link",
    expected="parked",
    faults=[LOST_RESPONSE, NO_CALLBACK, UNLISTED],
)
LARGE_VIDEO: Final = Scenario("a large video", "completed", (1, 0), is_large=True)

RETRIED: Final = replace(
    GHOSTCUT_FAILS,
    name="failed, then retried",
    expected="completed",
    expected_submissions=(1, 2),
    follow_up=OperatorAction("retry"),
)
RESUBMITTED: Final = replace(
    UNRESOLVED,
    name="parked, then resubmitted",
    expected="completed",
    expected_submissions=(1, 2),
    follow_up=OperatorAction("resubmit", {"accept_the_cost": True}),
)
ADOPTED: Final = replace(
    UNRESOLVED, name="parked, then adopted", expected="completed", follow_up=OperatorAction("adopt")
)
GIVEN_UP: Final = replace(
    UNRESOLVED, name="parked, then given up", expected="failed", follow_up=OperatorAction("give up")
)
CANCELLED: Final = Scenario(
    "cancelled",
    "cancelled",
    (1, 0),
    faults=[sync_so_fault("slow", on="status", seconds=6, times=3)],
    follow_up=Cancellation(),
)
PURGED: Final = Scenario(
    "an old test, purged", "no row", (1, 0), request_overrides={"user_id": "a-test"}, follow_up=Cleanup()
)
STUCK: Final = Scenario(
    "stuck, then cleaned up", "completed", (1, 0), follow_up=Cleanup(Injection("sync_so.get.after_call", 1, "raise"))
)

KEY_EXPIRED: Final = replace(
    STUCK,
    name="in doubt for days, then cleaned up",
    faults=[NO_SYNC_SO_CALLBACK],  # it would report the id, and the list would not be needed
    follow_up=Cleanup(Injection("sync_so.create.after_call", 1, "raise"), after_key_expiry=True),
)
LECTURE: Final = Scenario("a lecture", "completed", (0, 0), job_kind=JobKind.LECTURE)
LECTURE_REJECTED: Final = replace(
    LECTURE,
    name="a lecture, refused at admission",
    expected="failed",
    request_overrides={"video": "ftp://example.com/lecture.mp4"},
)
LECTURE_STUCK: Final = replace(
    LECTURE,
    name="a lecture: an unforeseen error in the middle of its work, then cleaned up",
    follow_up=Cleanup(Injection("db.update_progress.after_commit", 1, "raise")),
)

EVERY_POINT: Final = (LIP_SYNC, CHAINED, REJECTED, LECTURE)
"""Scenarios with a fault at every point that they pass."""

LAST_PASS: Final[Mapping[Scenario, Sequence[str]]] = {
    SYNC_FAILS: ("db.record_outcome", "db.fail", "db.release_lease"),
    GHOSTCUT_FAILS: ("db.record_outcome", "db.fail", "db.release_lease"),
    LECTURE_REJECTED: ("db.create_rejected",),
    LOST_SUBMISSION: ("ghostcut.submit", "db.record_accepted"),
    UNRESOLVED: ("db.park", "db.release_lease"),
    RATE_LIMITED: ("sync_so.create", "db.record_outcome"),
    REMOVAL_ONLY: ("db.record_estimate", "db.create_intent", "ghostcut.submit", "db.record_accepted", "db.complete"),
}
"""Scenarios that differ only at their end: the operations at whose last pass a fault is injected."""

OPERATOR_SCENARIOS: Final[Mapping[Scenario, Sequence[str]]] = {
    RETRIED: ("db.acquire_lease", "db.reopen", "db.release_lease"),
    RESUBMITTED: ("db.write_off", "db.reopen"),
    ADOPTED: ("ghostcut.status", "db.record_accepted"),
    GIVEN_UP: ("db.record_event", "db.fail"),
}
"""Scenarios with a fault in the operator's run: the operations at whose first pass it is injected."""

# Sent in parts of 8 MiB, read a MiB at a time: when the 18th MiB is read, two parts are in the store.
_MIDWAY_UPLOAD: Final = Injection("stream.put.middle", 18)

EXTRA_CASES: Final[Sequence[tuple[Scenario, Sequence[Injection]]]] = [
    *((CANCELLED, [Injection(f"db.cancel.{when}_commit")]) for when in ("before", "after")),
    *((LOST_THEN_CALLBACK, [Injection(f"db.record_callback.{when}_commit")]) for when in ("before", "after")),
    *(
        (LOST_SUBMISSION, [Injection(f"db.record_outcome.{when}_commit", 2)]) for when in ("before", "after")
    ),  # the first one is Sync.so's
    *((LOST_SUBMISSION, [Injection(f"ghostcut.works.{when}_call")]) for when in ("before", "after")),
    *((PAID_CALL_5XX, [Injection(f"db.record_not_accepted.{when}_commit")]) for when in ("before", "after")),
    *((PAID_CALL_5XX, [Injection(f"ghostcut.submit.{when}_call", 2)]) for when in ("before", "after")),
    *((LARGE_VIDEO, [_MIDWAY_UPLOAD, Injection(f"store.abort.{when}")]) for when in ("before", "after")),
    *((STUCK, [Injection(f"db.acquire_if_unchanged.{when}_commit")]) for when in ("before", "after")),
    *((KEY_EXPIRED, [Injection(f"sync_so.list.{when}_call")]) for when in ("before", "after")),
    *((PURGED, [Injection(f"store.delete.{when}")]) for when in ("before", "after")),
    *((PURGED, [Injection(f"db.purge.{when}_commit")]) for when in ("before", "after")),
]
"""Points outside a job's own sequence."""

# ---- an unhandled exception, and a hanging process -------------------------------------------------------

_ERRORS: Final = (
    "stream.fetch.middle",
    "db.advance.before_commit",
    "db.create_intent.after_commit",
    "sync_so.create.after_call",
    "db.record_accepted.before_commit",
    "sync_so.get.after_call",
    "stream.put.middle",
    "db.complete.before_commit",
)
_HANGS: Final = (
    "db.advance.before_commit",
    "db.advance.after_commit",
    "sync_so.get.before_call",
    "db.complete.before_commit",
    "db.complete.after_commit",
)


def _stuck_scenario(action: Action, point: str) -> Scenario:
    how = "an unforeseen error" if action == "raise" else "hangs"
    return replace(STUCK, name=f"{how}, then cleaned up", follow_up=Cleanup(Injection(point, 1, action)))


STALLED: Final = [
    *(_stuck_scenario("raise", point) for point in _ERRORS),
    *(_stuck_scenario("hang", point) for point in _HANGS),
    LECTURE_STUCK,
]
"""No process dies here, so no crash is detected: the clean-up resumes the job."""

# ---- vendor faults ---------------------------------------------------------------------------------------

BEYOND_TIMEOUT: Final = 65.0  # seconds: 5 more than the response timeout

VENDOR_FAULTS: Final = [
    *(
        Scenario(f"Sync.so's answer is lost: {fault['kind']}", "completed", (1, 0), faults=[("sync_so", fault)])
        for fault in (
            {"kind": "reset", "when": "after"},
            {"kind": "http_error", "when": "after", "status": 502, "times": 3},
            {"kind": "malformed", "when": "after"},
            {"kind": "outcome_unknown", "with_id": False},
            {"kind": "slow", "when": "after", "seconds": BEYOND_TIMEOUT},
        )
    ),
    *(
        replace(
            LOST_SUBMISSION,
            name=f"GhostCut's answer is lost: {fault['kind']}",
            faults=[("ghostcut", fault), NO_CALLBACK],
        )
        for fault in (
            {"kind": "http_error", "when": "after", "status": 502},
            {"kind": "malformed", "when": "after"},
            {"kind": "code", "when": "after", "code": 9999},
            {"kind": "slow", "when": "after", "seconds": BEYOND_TIMEOUT},
        )
    ),
    Scenario(
        "Sync.so: a storm of 5xx on every call",
        "completed",
        (1, 0),
        faults=[sync_so_fault("http_error", on=on, status=503, times=5) for on in ("submit", "status", "result")],
    ),
    Scenario(
        "Sync.so: a storm of 429 on every call",
        "completed",
        (1, 0),
        faults=[
            sync_so_fault("rate_limited", times=5),
            sync_so_fault("no_free_slot", times=5),
            sync_so_fault("rate_limited", on="status", times=5),
        ],
    ),
    replace(
        CHAINED,
        name="GhostCut: a storm of 5xx on all calls but the paid one",
        faults=[ghostcut_fault("http_error", on=on, status=503, times=5) for on in ("status", "file")],
    ),
    replace(
        CHAINED,
        name="GhostCut: a storm of refusals for too many requests",
        faults=[ghostcut_fault("code", code=3006, times=5), ghostcut_fault("code", code=3006, on="status", times=5)],
    ),
    PAID_CALL_5XX,
    replace(
        LOST_SUBMISSION,
        name="GhostCut's answer is lost, and its list shows the work late",
        faults=[LOST_RESPONSE, NO_CALLBACK, ghostcut_fault("listed", effect="late", seconds=3, times=1000)],
    ),
    Scenario(
        "Sync.so: connections reset",
        "completed",
        (1, 0),
        faults=[sync_so_fault("reset", times=3), sync_so_fault("reset", on="status", times=3)],
    ),
    *(
        replace(
            CHAINED,
            name=f"both vendors: {fault['kind']}",
            faults=[("sync_so", {"on": "result", **fault}), ("ghostcut", {"on": "file", **fault})],
        )
        for fault in (
            {"kind": "truncated_download", "times": 2},
            {"kind": "expired_link", "times": 2},
            {"kind": "reset", "times": 2},
        )
    ),
    replace(
        CHAINED,
        name="both vendors: malformed answers about the status",
        faults=[sync_so_fault("malformed", on="status", times=3), ghostcut_fault("malformed", on="status", times=3)],
    ),
    replace(
        CHAINED,
        name="both vendors: time-outs of status requests",
        faults=[
            sync_so_fault("slow", on="status", seconds=BEYOND_TIMEOUT),
            ghostcut_fault("slow", on="status", seconds=BEYOND_TIMEOUT),
        ],
    ),
    replace(
        CHAINED,
        name="GhostCut's callback comes before its answer",
        faults=[ghostcut_fault("slow", when="after", seconds=5)],
    ),
    replace(
        LOST_THEN_CALLBACK,
        name="GhostCut's callback comes before its answer, which is lost",
        faults=[ghostcut_fault("slow", when="after", seconds=BEYOND_TIMEOUT), UNLISTED],
    ),
    replace(CHAINED, name="GhostCut's callback comes twice", faults=[ghostcut_fault("callback", effect="duplicate")]),
]

# ---- outages of services ---------------------------------------------------------------------------------

HELD_JOBS: Final = (
    (LIP_SYNC, "store.put.before"),
    (LIP_SYNC, "sync_so.create.after_call"),
    (CHAINED, "db.advance.after_commit"),
    (CHAINED, "ghostcut.status.after_call"),
    (CHAINED, "db.complete.before_commit"),
    (LECTURE, "db.advance.after_commit"),
)
"""The points at which jobs hang until the services that run them are killed, all at once."""

OUTAGES: Final[Sequence[tuple[str, ...]]] = (("worker", "prefect_server"), ("worker",))
"""Services that are killed at the same moment. No process remains to report crashed runs: their heartbeats stop. The
outage with the longest recovery comes first."""

# ---- points without an injection, and why ----------------------------------------------------------------

_NO_LINK: Final = "Called only where a finished generation names no result: tests/unit/providers/test_sync_so_client.py"
_DOCTOR: Final = "Called by `make doctor` only, which no job waits for: tests/acceptance/test_operations.py"
_BATCHES: Final = "Called by the API only, when it creates a batch: tests/integration/api/test_batches.py"
_WEBHOOKS: Final = "Called by the API only, when it sends webhooks: tests/integration/api/test_webhook_faults.py"
TESTED_ELSEWHERE: Final[Mapping[str, str]] = {
    "sync_so.download_url.before_call": _NO_LINK,
    "sync_so.download_url.after_call": _NO_LINK,
    "ghostcut.balance.before_call": _DOCTOR,
    "ghostcut.balance.after_call": _DOCTOR,
    **dict.fromkeys(DELIVERY_POINTS, _WEBHOOKS),
    **dict.fromkeys(BATCH_POINTS, _BATCHES),
}
"""Fault points that no job passes here, and the tests that cover their failures."""
