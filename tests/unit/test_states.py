"""The recovery points: one screen of data, and what it promises."""

import pytest

from videojobs.states import ORDER, RULES, Point, allowed, completed_message, progress_within, reached


def test_every_recovery_point_has_a_rule() -> None:
    assert set(RULES) == set(Point)


def test_every_transition_leads_forward_and_never_to_less_progress() -> None:
    for point, rule in RULES.items():
        for following in rule.after:
            assert ORDER.index(following) > ORDER.index(point)
            assert RULES[following].progress >= rule.progress


def test_every_point_can_reach_the_end() -> None:
    for point in Point:
        at = point
        while at is not Point.COMPLETED:
            assert RULES[at].after, f"{at} leads nowhere"
            at = RULES[at].after[-1]


def test_a_job_without_areas_may_skip_text_removal_and_nothing_else() -> None:
    skips = [(at, to) for at in Point for to in Point if allowed(at, to) and ORDER.index(to) > ORDER.index(at) + 1]
    assert skips == [(Point.LIP_SYNC_STORED, Point.COMPLETED)]


def test_a_point_counts_as_reached_once_the_job_is_there_or_beyond() -> None:
    assert reached(Point.UPLOADED, Point.UPLOADED)
    assert reached(Point.COMPLETED, Point.UPLOADED)
    assert not reached(Point.OPENED, Point.UPLOADED)


@pytest.mark.parametrize(
    ("point", "share", "percent"),
    [
        (Point.OPENED, 0.5, 5),
        (Point.LIP_SYNC_SUBMITTED, 0.0, 10),
        (Point.LIP_SYNC_SUBMITTED, 1.0, 50),
        (Point.TEXT_REMOVAL_SUBMITTED, 0.0, 70),
        (Point.TEXT_REMOVAL_SUBMITTED, 1.0, 95),
        (Point.TEXT_REMOVAL_SUBMITTED, 7.0, 95),
        (Point.TEXT_REMOVAL_SUBMITTED, -1.0, 70),
    ],
)
def test_waiting_moves_progress_within_the_owners_bands(point: Point, share: float, percent: int) -> None:
    assert progress_within(point, share) == percent


def test_the_last_message_says_what_was_done() -> None:
    assert completed_message(text_removed=False) == "Pro video processing completed (lip-sync only)"
    assert completed_message(text_removed=True) == "Pro video processing completed (lip-sync + text inpainting)"
