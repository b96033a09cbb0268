"""What is tried: kinds of jobs, and where each of them is struck."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from videojobs.states import Work

Outcome = Literal["completed", "failed", "cancelled", "parked", "processing", "pending", "no row"]
Action = Literal["kill", "raise", "hang"]
Fault = tuple[str, Mapping[str, Any]]
"""A vendor, and what goes wrong there."""


@dataclass(frozen=True, slots=True)
class Strike:
    """The nth time that a job passes a point, counted from when the fault is armed."""

    point: str
    nth: int = 1
    action: Action = "kill"


@dataclass(frozen=True, slots=True)
class Decided:
    """An operator's run, after the job has come to rest."""

    decision: str
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The run is cancelled in Prefect while it waits for a vendor."""


@dataclass(frozen=True, slots=True)
class CleanedUp:
    """A clean-up finds the job: one that was left `by` a strike, or one that ended long ago and may be purged."""

    by: Strike | None = None
    after_days: bool = False  # so late that the vendor has forgotten the idempotency key


Then = Decided | Cancelled | CleanedUp


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A job and what has to become of it, whatever strikes it."""

    name: str
    ends: Outcome
    paid: tuple[int, int]  # submissions on the books of Sync.so and of GhostCut
    work: Work = Work.PRO_VIDEO
    areas: bool = False
    large: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)  # of the request
    faults: Sequence[Fault] = ()
    late: float = 0  # seconds that it may take longer than others
    then: Then | None = None  # what the strikes of the case are meant for, if not for the job itself


@dataclass(frozen=True, slots=True)
class Case:
    """One job. Of several strikes, each is armed when the one before it is over."""

    number: int
    kind: Kind
    strikes: tuple[Strike, ...] = ()

    @property
    def job_id(self) -> str:
        return f"crash-{self.number:04}"

    @property
    def all_strikes(self) -> tuple[Strike, ...]:
        """With the one that leaves the job to a clean-up."""
        by = self.kind.then.by if isinstance(self.kind.then, CleanedUp) else None
        return (*([by] if by else []), *self.strikes)


def sync_so(kind: str, **more: Any) -> Fault:
    return "sync_so", {"kind": kind, **more}


def ghostcut(kind: str, **more: Any) -> Fault:
    return "ghostcut", {"kind": kind, **more}


NO_CALLBACK: Final = ghostcut("callback", effect="drop", times=9)
LOST_ANSWER: Final = ghostcut("reset", when="after")
NO_PROOF: Final = ghostcut("listed", effect="bare_url", times=1000)

# ---- jobs that are struck --------------------------------------------------------------------------------

LIP_SYNC: Final = Kind("lip-sync", "completed", (1, 0))
BOTH: Final = Kind("lip-sync and text removal", "completed", (1, 1), areas=True)
REFUSED: Final = Kind("refused at the door", "failed", (0, 0), changes={"segments": []})
SYNC_FAILS: Final = Kind("Sync.so fails", "failed", (1, 0), faults=[sync_so("ends")])
WAITS: Final = Kind("Sync.so asks to wait", "completed", (1, 0), faults=[sync_so("rate_limited")])
CUT_FAILS: Final = Kind("GhostCut fails", "failed", (1, 1), areas=True, faults=[ghostcut("ends", status=20)])
LOST: Final = replace(BOTH, name="GhostCut's answer is lost", faults=[LOST_ANSWER, NO_CALLBACK])
CALLED: Final = replace(LOST, name="GhostCut's answer is lost, its callback comes", faults=[LOST_ANSWER, NO_PROOF])
NEVER_CAME: Final = replace(BOTH, name="GhostCut: 5xx to the paid call", faults=[ghostcut("http_error", status=503)])
UNPROVEN: Final = replace(
    LOST,
    name="GhostCut's answer is lost, and its list does not show our link",
    ends="parked",
    faults=[LOST_ANSWER, NO_CALLBACK, NO_PROOF],
)
LARGE: Final = Kind("a large video", "completed", (1, 0), large=True)

RETRIED: Final = replace(CUT_FAILS, name="failed, then retried", ends="completed", paid=(1, 2), then=Decided("retry"))
RESUBMITTED: Final = replace(
    UNPROVEN,
    name="parked, then resubmitted",
    ends="completed",
    paid=(1, 2),
    then=Decided("resubmit", {"accept_the_cost": True}),
)
ADOPTED: Final = replace(UNPROVEN, name="parked, then adopted", ends="completed", then=Decided("adopt"))
GIVEN_UP: Final = replace(UNPROVEN, name="parked, then given up", ends="failed", then=Decided("give up"))
CANCELLED: Final = Kind(
    "cancelled", "cancelled", (1, 0), faults=[sync_so("slow", on="status", seconds=6, times=3)], then=Cancelled()
)
PURGED: Final = Kind("an old test, purged", "no row", (1, 0), changes={"user_id": "a-test"}, then=CleanedUp())
STUCK: Final = Kind(
    "stuck, then cleaned up", "completed", (1, 0), then=CleanedUp(Strike("sync_so.get.after_call", 1, "raise"))
)

FORGOTTEN: Final = replace(
    STUCK,
    name="in doubt for days, then cleaned up",
    then=CleanedUp(Strike("sync_so.create.after_call", 1, "raise"), after_days=True),
)
LECTURE: Final = Kind("a lecture", "completed", (0, 0), work=Work.LECTURE)
LECTURE_REFUSED: Final = replace(
    LECTURE,
    name="a lecture, refused at the door",
    ends="failed",
    changes={"video": "ftp://example.com/lecture.mp4"},
)
LECTURE_STUCK: Final = replace(
    LECTURE,
    name="a lecture: an unforeseen error in the middle of its work, then cleaned up",
    then=CleanedUp(Strike("ledger.tell.after_commit", 1, "raise")),
)

WHOLE: Final = (LIP_SYNC, BOTH, REFUSED, LECTURE)
"""Kinds that are struck wherever they pass."""

LAST: Final[Mapping[Kind, Sequence[str]]] = {
    SYNC_FAILS: ("ledger.settle", "ledger.fail", "ledger.release"),
    CUT_FAILS: ("ledger.settle", "ledger.fail", "ledger.release"),
    LECTURE_REFUSED: ("ledger.open_refused",),
    LOST: ("ghostcut.submit", "ledger.accept"),
    UNPROVEN: ("ledger.park", "ledger.release"),
    WAITS: ("sync_so.create", "ledger.settle"),
}
"""Kinds that go another way at their end only: what they are struck at, when they pass it for the last time."""

DECIDED: Final[Mapping[Kind, Sequence[str]]] = {
    RETRIED: ("ledger.claim", "ledger.reopen", "ledger.release"),
    RESUBMITTED: ("ledger.write_off", "ledger.reopen"),
    ADOPTED: ("ghostcut.status", "ledger.accept"),
    GIVEN_UP: ("ledger.record", "ledger.fail"),
}
"""Kinds in which the operator's run is struck: at what, when it passes that for the first time."""

# Sent in parts of 8 MiB, read a MiB at a time: the 18th MiB is read when two parts are in the store.
_HALF_SENT: Final = Strike("stream.put.middle", 18)

CHOSEN: Final[Sequence[tuple[Kind, Sequence[Strike]]]] = [
    *((CANCELLED, [Strike(f"ledger.cancel.{when}_commit")]) for when in ("before", "after")),
    *((CALLED, [Strike(f"ledger.hear.{when}_commit")]) for when in ("before", "after")),
    *((LOST, [Strike(f"ledger.settle.{when}_commit", 2)]) for when in ("before", "after")),  # the first is Sync.so's
    *((LOST, [Strike(f"ghostcut.works.{when}_call")]) for when in ("before", "after")),
    *((NEVER_CAME, [Strike(f"ledger.not_taken.{when}_commit")]) for when in ("before", "after")),
    *((NEVER_CAME, [Strike(f"ghostcut.submit.{when}_call", 2)]) for when in ("before", "after")),
    *((LARGE, [_HALF_SENT, Strike(f"store.abort.{when}")]) for when in ("before", "after")),
    *((STUCK, [Strike(f"ledger.hold.{when}_commit")]) for when in ("before", "after")),
    *((FORGOTTEN, [Strike(f"sync_so.list.{when}_call")]) for when in ("before", "after")),
    *((PURGED, [Strike(f"store.delete.{when}")]) for when in ("before", "after")),
    *((PURGED, [Strike(f"ledger.purge.{when}_commit")]) for when in ("before", "after")),
]
"""Points that lie beside a job's own way."""

# ---- an error that nobody foresaw, and a process that hangs ----------------------------------------------

_ERRORS: Final = (
    "stream.fetch.middle",
    "ledger.advance.before_commit",
    "ledger.intend.after_commit",
    "sync_so.create.after_call",
    "ledger.accept.before_commit",
    "sync_so.get.after_call",
    "stream.put.middle",
    "ledger.finish.before_commit",
)
_HANGS: Final = (
    "ledger.advance.before_commit",
    "ledger.advance.after_commit",
    "sync_so.get.before_call",
    "ledger.finish.before_commit",
    "ledger.finish.after_commit",
)


def _left(action: Action, point: str) -> Kind:
    how = "an unforeseen error" if action == "raise" else "hangs"
    return replace(STUCK, name=f"{how}, then cleaned up", then=CleanedUp(Strike(point, 1, action)))


STOPPED: Final = [
    *(_left("raise", point) for point in _ERRORS),
    *(_left("hang", point) for point in _HANGS),
    LECTURE_STUCK,
]
"""Nobody notices these by a death: the clean-up goes on with the job."""

# ---- troubles at the vendors -----------------------------------------------------------------------------

TIME_OUT: Final = 65.0  # seconds: 5 more than an answer is waited for

TROUBLES: Final = [
    *(
        Kind(f"Sync.so's answer is lost: {fault['kind']}", "completed", (1, 0), faults=[("sync_so", fault)])
        for fault in (
            {"kind": "reset", "when": "after"},
            {"kind": "http_error", "when": "after", "status": 502, "times": 3},
            {"kind": "malformed", "when": "after"},
            {"kind": "outcome_unknown", "with_id": False},
            {"kind": "slow", "when": "after", "seconds": TIME_OUT},
        )
    ),
    *(
        replace(LOST, name=f"GhostCut's answer is lost: {fault['kind']}", faults=[("ghostcut", fault), NO_CALLBACK])
        for fault in (
            {"kind": "http_error", "when": "after", "status": 502},
            {"kind": "malformed", "when": "after"},
            {"kind": "code", "when": "after", "code": 9999},
            {"kind": "slow", "when": "after", "seconds": TIME_OUT},
        )
    ),
    Kind(
        "Sync.so: a storm of 5xx on every call",
        "completed",
        (1, 0),
        faults=[sync_so("http_error", on=on, status=503, times=5) for on in ("submit", "status", "result")],
    ),
    Kind(
        "Sync.so: a storm of 429 on every call",
        "completed",
        (1, 0),
        faults=[
            sync_so("rate_limited", times=5),
            sync_so("no_free_slot", times=5),
            sync_so("rate_limited", on="status", times=5),
        ],
    ),
    replace(
        BOTH,
        name="GhostCut: a storm of 5xx on all calls but the paid one",
        faults=[ghostcut("http_error", on=on, status=503, times=5) for on in ("status", "file")],
    ),
    replace(
        BOTH,
        name="GhostCut: a storm of refusals for too many requests",
        faults=[ghostcut("code", code=3006, times=5), ghostcut("code", code=3006, on="status", times=5)],
    ),
    NEVER_CAME,
    replace(
        LOST,
        name="GhostCut's answer is lost, and its list shows the work late",
        faults=[LOST_ANSWER, NO_CALLBACK, ghostcut("listed", effect="late", seconds=3, times=1000)],
    ),
    Kind(
        "Sync.so: connections reset",
        "completed",
        (1, 0),
        faults=[sync_so("reset", times=3), sync_so("reset", on="status", times=3)],
    ),
    *(
        replace(
            BOTH,
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
        BOTH,
        name="both vendors: malformed answers about the status",
        faults=[sync_so("malformed", on="status", times=3), ghostcut("malformed", on="status", times=3)],
    ),
    replace(
        BOTH,
        name="both vendors: time-outs of questions about the status",
        faults=[sync_so("slow", on="status", seconds=TIME_OUT), ghostcut("slow", on="status", seconds=TIME_OUT)],
    ),
    replace(
        BOTH, name="GhostCut's callback comes before its answer", faults=[ghostcut("slow", when="after", seconds=5)]
    ),
    replace(
        CALLED,
        name="GhostCut's callback comes before its answer, which is lost",
        faults=[ghostcut("slow", when="after", seconds=TIME_OUT), NO_PROOF],
    ),
    replace(BOTH, name="GhostCut's callback comes twice", faults=[ghostcut("callback", effect="duplicate")]),
]

# ---- whole parts are lost --------------------------------------------------------------------------------

HELD: Final = (
    (LIP_SYNC, "store.put.before"),
    (LIP_SYNC, "sync_so.create.after_call"),
    (BOTH, "ledger.advance.after_commit"),
    (BOTH, "ghostcut.status.after_call"),
    (BOTH, "ledger.finish.before_commit"),
    (LECTURE, "ledger.advance.after_commit"),
)
"""Where jobs are held until the parts that run them are killed, all at once."""

OUTAGES: Final[Sequence[tuple[str, ...]]] = (("worker", "prefect_server"), ("worker",))
"""Parts that are lost at the same moment. Nobody is left to report that runs have died: they fall silent. The one whose
jobs are long on their way home comes first."""

# ---- what is not struck, and why -------------------------------------------------------------------------

_NO_LINK: Final = "Asked where a finished generation names no result only: tests/unit/vendors/test_sync_so_client.py"
_DOCTOR: Final = "Asked by `make doctor` only, which no job waits for: tests/stack/test_operations.py"
ELSEWHERE: Final[Mapping[str, str]] = {
    "sync_so.download_url.before_call": _NO_LINK,
    "sync_so.download_url.after_call": _NO_LINK,
    "ghostcut.points.before_call": _DOCTOR,
    "ghostcut.points.after_call": _DOCTOR,
}
"""Fault points that no job passes here, and which test meets what they stand for."""
