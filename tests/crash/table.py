"""The results as a table: on the screen, and as a page of the documentation."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.crash.cases import ELSEWHERE
from tests.crash.play import Played

COLUMNS: Final = ("Job", "Struck at", "How", "It ended", "Paid", "Runs", "Seconds")


def cells(played: Played) -> tuple[str, ...]:
    """One row. `Paid` are submissions on the books of Sync.so and of GhostCut."""
    strikes = played.case.all_strikes
    return (
        played.case.kind.name,
        ", ".join(f"{strike.point} #{strike.nth}" for strike in strikes) or "nowhere",
        ", ".join(dict.fromkeys(strike.action for strike in strikes)) or "-",
        played.outcome,
        "{} + {}".format(*played.paid),
        str(sum(run.run_count for run in played.runs)),
        f"{played.seconds:.0f}",
    )


def tell(played: Played) -> None:
    """One line, as soon as a job is over."""
    case = played.case
    Console().print(f"{case.job_id} {case.kind.name}: {played.outcome} after {played.seconds:.0f} s", soft_wrap=True)


def show(results: Sequence[Played]) -> None:
    table = Table(*COLUMNS, title=summary(results))
    for played in results:
        table.add_row(*cells(played), style="red" if played.troubles else None)
    console = Console(width=150)
    console.print(table)
    for played in results:
        for trouble in played.troubles:
            console.print(f"[red]{played.case.job_id}[/] {' | '.join(cells(played))}: {trouble}", soft_wrap=True)


def summary(results: Sequence[Played]) -> str:
    struck = sum(len(played.struck) for played in results)
    parked = sum(played.outcome == "parked" for played in results)
    wrong = sum(bool(played.troubles) for played in results)
    return f"{len(results)} jobs, {struck} times struck, {parked} parked, {wrong} not as promised"


def write(results: Sequence[Played], page: Path) -> None:
    """The page of the documentation, in an order that does not change."""
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    rows = [_row(COLUMNS), _row(["---"] * len(COLUMNS)), *(_row(cells(played)) for played in results)]
    others = [_row(("Fault point", "Why, and what meets it")), _row(["---"] * 2), *map(_row, ELSEWHERE.items())]
    page.write_text(_PAGE.format(day=day, summary=summary(results), rows="\n".join(rows), others="\n".join(others)))


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


_PAGE: Final = """\
# The crash matrix

Written by `make crash` on {day}: {summary}.

Each row is one job on the real local stack: Postgres, object store, Prefect server, worker, front door, and the
emulators of both vendors. It was struck at a [fault point](../videojobs/faults.py) in the real process: killed with
`kill -9`, stopped by an error that nobody foresaw (`raise`), or left hanging where it was (`hang`). `#2` means the
second time that the job passed the point. Nobody helped: what goes on with the job are the Prefect automations, the
vendors' callbacks and the clean-up.

*Paid* are the submissions on the vendors' **own** books, Sync.so and GhostCut: one each, whatever struck, but where an
operator has ordered another one. A job that is *parked* was struck while GhostCut's answer was on its way, and nothing
proves what became of it. Of each job that is *completed* the final video was measured: its length, its sound, the
caption gone, all the rest as it was. Of each lecture all documents were there, and none was written again after its
stage was on the books. Progress never fell, no recovery point went back but on an operator's word, and
when all was over no lease, run, place at a vendor, working folder or half-sent object was left.

{rows}

## Not struck here

{others}
"""
