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

COLUMNS: Final = ("Job", "Fault points", "Action", "Outcome", "Paid", "Runs", "Seconds", "Date")
UNEXPECTED: Final = ", not as expected"

TableRow = tuple[str, ...]
"""A job's cells, one for each of the columns."""


def to_row(result: "CaseResult") -> TableRow:
    """`Paid` counts the submissions that the emulators of Sync.so and of GhostCut recorded."""
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
    """Print one line for a finished job."""
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
    return f"{len(rows)} jobs, {struck} faults, {parked} parked, {sum(map(_is_unexpected, rows))} not as expected"


def _is_unexpected(row: TableRow) -> bool:
    return row[3].endswith(UNEXPECTED)


def write_page(results: "Sequence[CaseResult]", page: Path, *, complete: bool) -> None:
    """Write the documentation page. After a partial run, the rows of other kinds of jobs stay."""
    new_rows = [to_row(played) for played in results]
    page.write_text(render_page(new_rows if complete else merge_rows(parse_page(page.read_text()), new_rows)))


def merge_rows(old: Sequence[TableRow], new: Sequence[TableRow]) -> list[TableRow]:
    """Replace the rows of every kind of job that was run again: a run covers all cases of a kind."""
    again = {row[0] for row in new}
    return [*(row for row in old if row[0] not in again), *new]


def render_page(rows: Sequence[TableRow]) -> str:
    """Markdown."""
    jobs = [_markdown_line(COLUMNS), _markdown_line(["---"] * len(COLUMNS)), *map(_markdown_line, rows)]
    others = [
        _markdown_line(("Fault point", "Reason, and the test that covers it")),
        _markdown_line(["---"] * 2),
        *map(_markdown_line, TESTED_ELSEWHERE.items()),
    ]
    return _PAGE_TEMPLATE.format(summary=summary(rows), rows="\n".join(jobs), others="\n".join(others))


def parse_page(page: str) -> list[TableRow]:
    """The rows of a page written by `render_page`."""
    _, _, rest = page.partition(f"{_markdown_line(['---'] * len(COLUMNS))}\n")
    return [tuple(line.strip("| ").split(" | ")) for line in rest.partition("\n\n")[0].splitlines()]


def _markdown_line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


_PAGE_TEMPLATE: Final = """\
# The fault matrix

Written by `make fault-test`: {summary}. `make fault-test CASES="words"` runs
the jobs with these words in their names and replaces only their rows.

Each row is one job on the real local stack: Postgres, object store, Prefect server, worker, API, and the emulators of
both vendors. At a [fault point](../videojobs/testing/fault_injection.py) its process was killed with `kill -9`, stopped
by an unexpected error (`raise`), or left hanging (`hang`). `#2` is the second time that the job passed the point. No
operator intervened: Prefect automations, vendors' callbacks and the clean-up resumed the job.

*Paid* counts the submissions that the **vendors** recorded, Sync.so + GhostCut: one each despite every fault, unless an
operator ordered another one. A *parked* job has lost GhostCut's response, and GhostCut's list does not show our link,
so nothing proves whether the work was accepted. Of each *completed* job the final video was measured: its length, its
sound, the caption removed, everything else unchanged. Each lecture had all its documents, and none was written again
after its stage was recorded. Progress never fell, and no recovery point went back except by an operator's action.
After a complete run, no lease, run, concurrency slot, working folder or incomplete upload was left.

{rows}

## Fault points not injected here

{others}
"""
