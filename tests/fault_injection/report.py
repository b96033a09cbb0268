"""The results as a table: on the screen, and as a page of the documentation."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from tests.fault_injection.cases import TESTED_ELSEWHERE

if TYPE_CHECKING:  # the runner imports Prefect and the media libraries; the page's own tests need neither
    from tests.fault_injection.runner import CaseResult

COLUMNS: Final = ("Job", "Struck at", "How", "It ended", "Paid", "Runs", "Seconds", "On")
UNEXPECTED: Final = ", not as promised"

TableRow = tuple[str, ...]
"""A job's cells, one for each of the columns."""


def to_row(result: "CaseResult") -> TableRow:
    """`SubmissionWrites` are submissions on the books of Sync.so and of GhostCut."""
    strikes = result.case.all_injections
    return (
        result.case.scenario.name,
        ", ".join(f"{strike.point} #{strike.nth}" for strike in strikes) or "nowhere",
        ", ".join(dict.fromkeys(strike.action for strike in strikes)) or "-",
        result.outcome + (UNEXPECTED if result.problems else ""),
        "{} + {}".format(*result.paid),
        str(sum(run.run_count for run in result.runs)),
        f"{result.seconds:.0f}",
        datetime.now(UTC).strftime("%Y-%m-%d"),
    )


def print_progress(result: "CaseResult") -> None:
    """One line, as soon as a job is over."""
    case = result.case
    Console().print(
        f"{case.job_id} {case.scenario.name}: {result.outcome} after {result.seconds:.0f} s", soft_wrap=True
    )


def print_table(results: "Sequence[CaseResult]") -> None:
    rows = [to_row(played) for played in results]
    table = Table(*COLUMNS, title=summary(rows))
    for row in rows:
        table.add_row(*row, style="red" if _is_unexpected(row) else None)
    console = Console(width=150)
    console.print(table)
    for played, row in zip(results, rows, strict=True):
        for trouble in played.problems:
            console.print(f"[red]{played.case.job_id}[/] {' | '.join(row)}: {trouble}", soft_wrap=True)


def summary(rows: Sequence[TableRow]) -> str:
    struck = sum(row[1].count("#") for row in rows)
    parked = sum(row[3].startswith("parked") for row in rows)
    return f"{len(rows)} jobs, {struck} times struck, {parked} parked, {sum(map(_is_unexpected, rows))} not as promised"


def _is_unexpected(row: TableRow) -> bool:
    return row[3].endswith(UNEXPECTED)


def write_page(results: "Sequence[CaseResult]", page: Path, *, complete: bool) -> None:
    """The page of the documentation. Where the run is not `complete`, the rows of other kinds of jobs stay."""
    new_rows = [to_row(played) for played in results]
    page.write_text(render_page(new_rows if complete else merge_rows(parse_page(page.read_text()), new_rows)))


def merge_rows(old: Sequence[TableRow], new: Sequence[TableRow]) -> list[TableRow]:
    """All jobs of a kind are played together, so the fresh rows take the place of all of their kinds."""
    again = {row[0] for row in new}
    return [*(row for row in old if row[0] not in again), *new]


def render_page(rows: Sequence[TableRow]) -> str:
    """Markdown."""
    jobs = [_markdown_line(COLUMNS), _markdown_line(["---"] * len(COLUMNS)), *map(_markdown_line, rows)]
    others = [
        _markdown_line(("Fault point", "Why, and what meets it")),
        _markdown_line(["---"] * 2),
        *map(_markdown_line, TESTED_ELSEWHERE.items()),
    ]
    return _PAGE_TEMPLATE.format(summary=summary(rows), rows="\n".join(jobs), others="\n".join(others))


def parse_page(page: str) -> list[TableRow]:
    """What `render_page` has written."""
    _, _, rest = page.partition(f"{_markdown_line(['---'] * len(COLUMNS))}\n")
    return [tuple(line.strip("| ").split(" | ")) for line in rest.partition("\n\n")[0].splitlines()]


def _markdown_line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


_PAGE_TEMPLATE: Final = """\
# The crash matrix

Written by `make fault-test`: {summary}. `make fault-test CASES="words"` plays
the jobs whose names have these words, and leaves the other rows as they are.

Each row is one job on the real local stack: Postgres, object store, Prefect server, worker, front door, and the
emulators of both vendors. It was struck at a [fault point](../videojobs/testing/fault_injection.py) in the real
process: killed with
`kill -9`, stopped by an error that nobody foresaw (`raise`), or left hanging where it was (`hang`). `#2` means the
second time that the job passed the point. Nobody helped: what goes on with the job are the Prefect automations, the
vendors' callbacks and the clean-up.

*Paid* are the submissions on the vendors' **own** books, Sync.so and GhostCut: one each, whatever struck, but where an
operator has ordered another one. A job that is *parked* has lost GhostCut's answer, and GhostCut's list does not show
our link, so that nothing proves what became of it. Of each job that is *completed* the final video was measured: its
length, its sound, the caption gone, all the rest as it was. Of each lecture all documents were there, and none was
written again after its stage was on the books. Progress never fell, and no recovery point went back but on an
operator's word. When a run of all jobs was over, no lease, run, place at a vendor, working folder or half-sent object
was left.

{rows}

## Not struck here

{others}
"""
