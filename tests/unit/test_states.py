"""The recovery points: one screen of data, and what it promises."""

import pytest

from videojobs.states import RULES, Point, allowed, arrival, completed_message, progress_within, reached


def test_every_recovery_point_has_a_rule() -> None:
    assert set(RULES) == set(Point)


def test_every_transition_leads_forward_and_never_to_less_progress() -> None:
    for point, rule in RULES.items():
        for following in rule.after:
            assert reached(following, point)
            assert not reached(point, following)
            assert RULES[following].progress >= rule.progress


def test_every_point_can_reach_the_end() -> None:
    for point in Point:
        at = point
        while at is not Point.COMPLETED:
            assert RULES[at].after, f"{at} leads nowhere"
            at = RULES[at].after[-1]


def test_a_job_without_areas_may_skip_text_removal() -> None:
    assert RULES[Point.LIP_SYNC_STORED].after == (Point.TEXT_REMOVAL_SUBMITTED, Point.COMPLETED)


def test_a_job_of_one_kind_never_comes_to_a_point_of_the_other() -> None:
    assert not reached(Point.DOCUMENTS_STORED, Point.UPLOADED)
    assert not reached(Point.TEXT_REMOVAL_STORED, Point.FETCHED)


@pytest.mark.parametrize(
    ("first", "second"), [(Point.TRANSCRIBED, Point.SLIDES_FOUND), (Point.SLIDES_FOUND, Point.TRANSCRIBED)]
)
def test_speech_and_slides_come_in_either_order_and_both_are_one_point(first: Point, second: Point) -> None:
    assert arrival(Point.FETCHED, first) is first
    assert not reached(first, second)
    assert arrival(first, second) is Point.UNDERSTOOD
    assert allowed(first, Point.UNDERSTOOD)
    assert reached(Point.UNDERSTOOD, first)


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
    assert completed_message(Point.LIP_SYNC_STORED) == "Pro video processing completed (lip-sync only)"
    assert completed_message(Point.TEXT_REMOVAL_STORED) == "Pro video processing completed (lip-sync + text inpainting)"
    assert completed_message(Point.DOCUMENTS_STORED) == "Lecture processing completed"
