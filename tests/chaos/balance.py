"""What is left when everything has settled: jobs, money, and things that lie about."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.chaos.jobs import Wish
from tests.crash.bench import outcome_of
from videojobs.ledger import IN_DOUBT, Submission, VideoJob
from videojobs.states import Stage

_NO_INPUT: Final = ("_inaccessible", "the video could not be downloaded")
Entry = Mapping[str, Any]
"""A submission on a vendor's own books."""


@dataclass
class Balance:
    """Of the jobs that clients were promised. All that has to be empty is named in `wrong`."""

    jobs: int = 0
    completed: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # by reason
    parked: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)  # neither ended nor parked, or not on the books at all
    unexpected: list[str] = field(default_factory=list)  # ended in a way that nobody asked for
    duplicates: list[str] = field(default_factory=list)  # paid for twice
    orphans: list[str] = field(default_factory=list)  # paid for, and unknown to the books; or lying about
    paid: int = 0

    @property
    def wrong(self) -> dict[str, list[str]]:
        found = {name: getattr(self, name) for name in ("lost", "unexpected", "duplicates", "orphans")}
        return {name: cases for name, cases in found.items() if cases}


def take(
    wishes: Sequence[Wish],
    jobs: Mapping[str, VideoJob],
    submissions: Sequence[Submission],
    vendors: Mapping[Stage, Sequence[Entry]],
    lying_about: Sequence[str],
) -> Balance:
    """Hold our books against the clients' wishes and against the vendors' books."""
    balance = Balance(jobs=len(wishes), orphans=list(lying_about))
    for wish in wishes:
        _end(balance, wish, jobs.get(wish.job_id))
    for stage, entries in vendors.items():
        balance.paid += len(entries)
        _money(balance, stage, entries, submissions, jobs)
    return balance


def _end(balance: Balance, wish: Wish, job: VideoJob | None) -> None:
    outcome = outcome_of(job)
    match outcome:
        case "completed":
            balance.completed += 1
        case "failed":
            balance.failed[_short(job.error_message if job else None)] += 1
        case "parked":
            balance.parked[_short(job.parked_reason if job else None)] += 1
        case _:
            balance.lost.append(f"{wish.job_id} ({wish.what}) is {outcome}" + (f" at {job.point}" if job else ""))
            return
    if outcome != "parked" and outcome not in wish.ends and not _by_outage(job):
        balance.unexpected.append(f"{wish.job_id} ({wish.what}) {outcome}: {job and job.error_message}")


def _by_outage(job: VideoJob | None) -> bool:
    """The vendor came for its input while our store was away, and has failed: nothing is bought again unasked (M7)."""
    return job is not None and any(words in (job.error_message or "") for words in _NO_INPUT)


def _money(
    balance: Balance,
    stage: Stage,
    entries: Sequence[Entry],
    submissions: Sequence[Submission],
    jobs: Mapping[str, VideoJob],
) -> None:
    known = {row.vendor_id: row for row in submissions if row.stage == stage}
    doubts = {row.job_id for row in submissions if row.stage == stage and row.state in IN_DOUBT}
    for job_id, times in Counter(map(job_of, entries)).items():
        if times > 1:
            balance.duplicates.append(f"{job_id} {stage}: {times} submissions")
    for entry in entries:
        job_id = job_of(entry)
        parked_for_it = job_id in doubts and outcome_of(jobs.get(job_id)) == "parked"
        if str(entry["id"]) not in known and not parked_for_it:
            balance.orphans.append(f"{stage} {entry['id']} of {job_id} is paid for, and not on the books")


def job_of(entry: Entry) -> str:
    """The job of a submission: its files lie in `users/{user}/jobs/{job}/`."""
    request = entry["request"]
    url: str = request["urls"][0] if "urls" in request else request["input"][0]["url"]
    return url.partition("/jobs/")[2].partition("/")[0]


def _short(reason: str | None) -> str:
    """Reasons without what is different in each: what stands in brackets, numbers, ids."""
    words = (reason or "no reason").split()
    return " ".join(word for word in words if not any(letter.isdigit() for letter in word))[:110]


def show(balance: Balance, kills: Counter[str], *, seconds: float, sent_again: int) -> None:
    table = Table("", "", title="The balance")
    rows: list[tuple[str, object]] = [
        ("jobs in", balance.jobs),
        ("completed", balance.completed),
        ("failed, with a reason", balance.failed.total()),
        *((f"  {reason}", count) for reason, count in balance.failed.most_common()),
        ("parked, with a question", balance.parked.total()),
        *((f"  {reason}", count) for reason, count in balance.parked.most_common()),
        ("lost", len(balance.lost)),
        ("ended otherwise than asked for", len(balance.unexpected)),
        ("paid submissions", balance.paid),
        ("duplicate paid submissions", len(balance.duplicates)),
        ("orphans", len(balance.orphans)),
        ("requests that clients sent again", sent_again),
        ("kills", kills.total()),
        *((f"  {part}", count) for part, count in kills.most_common()),
        ("minutes, from the first job to the last", f"{seconds / 60:.1f}"),
    ]
    for name, value in rows:
        table.add_row(name, str(value))
    console = Console(width=140)
    console.print(table)
    for name, cases in balance.wrong.items():
        for case in cases:
            console.print(f"[red]{name}[/]: {case}", soft_wrap=True)
