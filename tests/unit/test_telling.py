"""What happened to a job, in the words of people."""

from datetime import UTC, datetime

from deployments.gateway.telling import timeline
from videojobs.ledger import JobEvent


def shortened(*changes: str) -> str:
    event = JobEvent(
        at=datetime.now(UTC),
        kind="shortened",
        point="uploaded",
        progress=10,
        message="Lip-sync processing...",
        detail={"changes": list(changes)},
    )
    [happening] = timeline([event])
    return happening.message


def test_ends_that_were_moved_are_told_to_the_user() -> None:
    assert shortened("the segment from 0 s to 2 s ends at 1.98 s, since the next one begins at 2 s") == (
        "Sync.so gets some ends earlier than they were given: "
        "the segment from 0 s to 2 s ends at 1.98 s, since the next one begins at 2 s."
    )


def test_of_many_ends_that_were_moved_some_are_told_and_the_others_counted() -> None:
    assert shortened(*"abcd").endswith(": a; b; c; d.")
    assert shortened(*"abcdef").endswith(": a; b; c; d; and 2 more like these.")
