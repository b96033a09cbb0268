"""The page of the fault matrix can be updated partially."""

from tests.fault_injection.report import UNEXPECTED, TableRow, merge_rows, parse_page, render_page, summary


def make_row(job: str, injected: str = "nowhere", ended: str = "completed", seconds: str = "40") -> TableRow:
    return (job, injected, "-", ended, "1 + 0", "1", seconds, "2026-01-01")


def test_what_was_written_is_read_again() -> None:
    rows = [
        make_row("lip-sync"),
        make_row("lip-sync; worker lost", "store.put.before #1"),
        make_row("a lecture", ended="failed"),
    ]
    assert parse_page(render_page(rows)) == rows


def test_only_rows_of_rerun_kinds_are_replaced() -> None:
    old = [make_row("a lecture"), make_row("lip-sync"), make_row("a lecture", "store.put.after #1")]
    fresh = [make_row("a lecture", seconds="20")]
    assert merge_rows(old, fresh) == [make_row("lip-sync"), make_row("a lecture", seconds="20")]


def test_the_page_counts_the_jobs_of_all_its_rows() -> None:
    rows = [
        make_row("lip-sync"),
        make_row("lip-sync", "store.put.before #1, store.put.after #2"),
        make_row("GhostCut's answer is lost", "ghostcut.submit.after_call #1", ended=f"parked{UNEXPECTED}"),
    ]
    assert summary(rows) == "3 jobs, 3 faults, 1 parked, 1 not as expected"
    assert summary(rows) in render_page(rows)
