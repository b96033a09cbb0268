"""The invariants once everything has settled: jobs, payments, and leftovers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.chaos.jobs import JobSpec
from tests.fault_injection.harness import outcome_of
from videojobs.db import IN_DOUBT_STATES, Submission, VideoJob
from videojobs.states import Stage

_NO_INPUT: Final = ("_inaccessible", "the video could not be downloaded")
VendorSubmission = Mapping[str, Any]
"""A submission in a vendor's own records."""


@dataclass
class ChaosResult:
    """The results of the accepted jobs. `violations` holds the lists that have to be empty."""

    jobs: int = 0
    completed: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # by reason
    parked: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)  # neither ended nor parked, or not recorded at all
    unexpected: list[str] = field(default_factory=list)  # ended in a way that was not requested
    duplicates: list[str] = field(default_factory=list)  # paid for twice
    orphans: list[str] = field(default_factory=list)  # paid for but unknown to the database, or left behind
    paid: int = 0

    @property
    def violations(self) -> dict[str, list[str]]:
        found = {name: getattr(self, name) for name in ("lost", "unexpected", "duplicates", "orphans")}
        return {name: cases for name, cases in found.items() if cases}


def check_invariants(
    specs: Sequence[JobSpec],
    jobs: Mapping[str, VideoJob],
    submissions: Sequence[Submission],
    vendors: Mapping[Stage, Sequence[VendorSubmission]],
    leaks: Sequence[str],
) -> ChaosResult:
    """Compare our records with the clients' requests and with the vendors' records."""
    result = ChaosResult(jobs=len(specs), orphans=list(leaks))
    for wish in specs:
        _classify_outcome(result, wish, jobs.get(wish.job_id))
    for stage, entries in vendors.items():
        result.paid += len(entries)
        _check_submissions(result, stage, entries, submissions, jobs)
    return result


def _classify_outcome(result: ChaosResult, spec: JobSpec, job: VideoJob | None) -> None:
    outcome = outcome_of(job)
    match outcome:
        case "completed":
            result.completed += 1
        case "failed":
            result.failed[_normalize_reason(job.error_message if job else None)] += 1
        case "parked":
            result.parked[_normalize_reason(job.parked_reason if job else None)] += 1
        case _:
            result.lost.append(
                f"{spec.job_id} ({spec.label}) is {outcome}" + (f" at {job.recovery_point}" if job else "")
            )
            return
    if outcome != "parked" and outcome not in spec.expected_outcomes and not _is_caused_by_outage(job):
        result.unexpected.append(f"{spec.job_id} ({spec.label}) {outcome}: {job and job.error_message}")


def _is_caused_by_outage(job: VideoJob | None) -> bool:
    """The vendor failed to download its input while our store was down. Nothing is bought again automatically (M7)."""
    return job is not None and any(words in (job.error_message or "") for words in _NO_INPUT)


def _check_submissions(
    result: ChaosResult,
    stage: Stage,
    entries: Sequence[VendorSubmission],
    submissions: Sequence[Submission],
    jobs: Mapping[str, VideoJob],
) -> None:
    known = {row.vendor_id: row for row in submissions if row.stage == stage}
    jobs_in_doubt = {row.job_id for row in submissions if row.stage == stage and row.state in IN_DOUBT_STATES}
    for job_id, times in Counter(map(job_id_of, entries)).items():
        if times > 1:
            result.duplicates.append(f"{job_id} {stage}: {times} submissions")
    for entry in entries:
        job_id = job_id_of(entry)
        parked_for_it = job_id in jobs_in_doubt and outcome_of(jobs.get(job_id)) == "parked"
        if str(entry["id"]) not in known and not parked_for_it:
            result.orphans.append(f"{stage} {entry['id']} of {job_id} is paid for and not in the job database")


def job_id_of(entry: VendorSubmission) -> str:
    """The job of a submission: its files are below `users/{user}/jobs/{job}/`."""
    request = entry["request"]
    url: str = request["urls"][0] if "urls" in request else request["input"][0]["url"]
    return url.partition("/jobs/")[2].partition("/")[0]


def _normalize_reason(reason: str | None) -> str:
    """A reason without its variable parts: words with digits, such as numbers and ids."""
    words = (reason or "no reason").split()
    return " ".join(word for word in words if not any(letter.isdigit() for letter in word))[:110]


def print_result(result: ChaosResult, kills: Counter[str], *, seconds: float, sent_again: int) -> None:
    table = Table("", "", title="The balance")
    rows: list[tuple[str, object]] = [
        ("jobs in", result.jobs),
        ("completed", result.completed),
        ("failed, with a reason", result.failed.total()),
        *((f"  {reason}", count) for reason, count in result.failed.most_common()),
        ("parked, with a question", result.parked.total()),
        *((f"  {reason}", count) for reason, count in result.parked.most_common()),
        ("lost", len(result.lost)),
        ("ended otherwise than asked for", len(result.unexpected)),
        ("paid submissions", result.paid),
        ("duplicate paid submissions", len(result.duplicates)),
        ("orphans", len(result.orphans)),
        ("requests that clients sent again", sent_again),
        ("kills", kills.total()),
        *((f"  {part}", count) for part, count in kills.most_common()),
        ("minutes, from the first job to the last", f"{seconds / 60:.1f}"),
    ]
    for name, value in rows:
        table.add_row(name, str(value))
    console = Console(width=140)
    console.print(table)
    for name, cases in result.violations.items():
        for case in cases:
            console.print(f"[red]{name}[/]: {case}", soft_wrap=True)
