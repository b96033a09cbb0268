"""The page of the crash matrix can be written part by part."""

from tests.crash.table import NOT_AS_PROMISED, Row, merged, page_of, rows_of, summary


def row(job: str, struck: str = "nowhere", ended: str = "completed", seconds: str = "40") -> Row:
    return (job, struck, "-", ended, "1 + 0", "1", seconds, "2026-01-01")


def test_what_was_written_is_read_again() -> None:
    rows = [row("lip-sync"), row("lip-sync; worker lost", "store.put.before #1"), row("a lecture", ended="failed")]
    assert rows_of(page_of(rows)) == rows


def test_the_rows_of_the_kinds_that_were_played_again_are_new_and_all_others_stay() -> None:
    old = [row("a lecture"), row("lip-sync"), row("a lecture", "store.put.after #1")]
    fresh = [row("a lecture", seconds="20")]
    assert merged(old, fresh) == [row("lip-sync"), row("a lecture", seconds="20")]


def test_the_page_counts_the_jobs_of_all_its_rows() -> None:
    rows = [
        row("lip-sync"),
        row("lip-sync", "store.put.before #1, store.put.after #2"),
        row("GhostCut's answer is lost", "ghostcut.submit.after_call #1", ended=f"parked{NOT_AS_PROMISED}"),
    ]
    assert summary(rows) == "3 jobs, 3 times struck, 1 parked, 1 not as promised"
    assert summary(rows) in page_of(rows)
