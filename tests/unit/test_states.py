"""The recovery points: their table, and its invariants."""

import pytest

from videojobs.progress import POINT_SPECS, completed_message, point_message, progress_within
from videojobs.states import RecoveryPoint, Stage, point_before
from videojobs.transitions import can_transition, has_reached, resolve_arrival


def test_every_recovery_point_has_a_spec() -> None:
    assert set(POINT_SPECS) == set(RecoveryPoint)


def test_every_transition_leads_forward_without_losing_progress() -> None:
    for point, rule in POINT_SPECS.items():
        for following in rule.next_points:
            assert has_reached(following, point)
            assert not has_reached(point, following)
            assert POINT_SPECS[following].progress >= rule.progress


def test_every_point_can_reach_the_end() -> None:
    for point in RecoveryPoint:
        at = point
        while at is not RecoveryPoint.COMPLETED:
            assert POINT_SPECS[at].next_points, f"{at} leads nowhere"
            at = POINT_SPECS[at].next_points[-1]


def test_a_job_without_areas_may_skip_text_removal() -> None:
    assert POINT_SPECS[RecoveryPoint.LIP_SYNC_STORED].next_points == (
        RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
        RecoveryPoint.COMPLETED,
    )


def test_job_kinds_share_no_intermediate_points() -> None:
    assert not has_reached(RecoveryPoint.DOCUMENTS_STORED, RecoveryPoint.UPLOADED)
    assert not has_reached(RecoveryPoint.TEXT_REMOVAL_STORED, RecoveryPoint.FETCHED)


@pytest.mark.parametrize(
    ("first", "second"),
    [(RecoveryPoint.TRANSCRIBED, RecoveryPoint.SLIDES_FOUND), (RecoveryPoint.SLIDES_FOUND, RecoveryPoint.TRANSCRIBED)],
)
def test_speech_and_slides_arrive_in_any_order_at_one_point(first: RecoveryPoint, second: RecoveryPoint) -> None:
    assert resolve_arrival(RecoveryPoint.FETCHED, first) is first
    assert not has_reached(first, second)
    assert resolve_arrival(first, second) is RecoveryPoint.ANALYZED
    assert can_transition(first, RecoveryPoint.ANALYZED)
    assert has_reached(RecoveryPoint.ANALYZED, first)


def test_a_point_is_reached_when_the_job_is_at_or_past_it() -> None:
    assert has_reached(RecoveryPoint.UPLOADED, RecoveryPoint.UPLOADED)
    assert has_reached(RecoveryPoint.COMPLETED, RecoveryPoint.UPLOADED)
    assert not has_reached(RecoveryPoint.OPENED, RecoveryPoint.UPLOADED)


@pytest.mark.parametrize(
    ("point", "share", "percent"),
    [
        (RecoveryPoint.OPENED, 0.5, 5),
        (RecoveryPoint.LIP_SYNC_SUBMITTED, 0.0, 10),
        (RecoveryPoint.LIP_SYNC_SUBMITTED, 1.0, 50),
        (RecoveryPoint.TEXT_REMOVAL_SUBMITTED, 0.0, 70),
        (RecoveryPoint.TEXT_REMOVAL_SUBMITTED, 1.0, 95),
        (RecoveryPoint.TEXT_REMOVAL_SUBMITTED, 7.0, 95),
        (RecoveryPoint.TEXT_REMOVAL_SUBMITTED, -1.0, 70),
    ],
)
def test_waiting_moves_progress_within_the_owners_bands(point: RecoveryPoint, share: float, percent: int) -> None:
    assert progress_within(point, share) == percent


def test_the_last_message_says_what_was_done() -> None:
    both, lip_sync, removal = (Stage.LIP_SYNC, Stage.TEXT_REMOVAL), (Stage.LIP_SYNC,), (Stage.TEXT_REMOVAL,)
    for point, stages, ending in (
        (RecoveryPoint.LIP_SYNC_STORED, lip_sync, "lip-sync only"),
        (RecoveryPoint.LIP_SYNC_STORED, both, "lip-sync only"),  # nothing of the areas was left
        (RecoveryPoint.TEXT_REMOVAL_STORED, both, "lip-sync + text inpainting"),
        (RecoveryPoint.TEXT_REMOVAL_STORED, removal, "text inpainting"),
    ):
        assert completed_message(point, stages) == f"Pro video processing completed ({ending})"
    assert completed_message(RecoveryPoint.DOCUMENTS_STORED, ()) == "Lecture processing completed"


def test_text_removal_alone_starts_from_the_uploaded_source() -> None:
    both, removal = (Stage.LIP_SYNC, Stage.TEXT_REMOVAL), (Stage.TEXT_REMOVAL,)
    assert point_before(Stage.LIP_SYNC, both) is RecoveryPoint.UPLOADED
    assert point_before(Stage.TEXT_REMOVAL, both) is RecoveryPoint.LIP_SYNC_STORED
    assert point_before(Stage.TEXT_REMOVAL, removal) is RecoveryPoint.UPLOADED
    assert can_transition(RecoveryPoint.UPLOADED, RecoveryPoint.TEXT_REMOVAL_SUBMITTED)
    assert point_message(RecoveryPoint.UPLOADED, removal) == "Starting text inpainting..."
    assert point_message(RecoveryPoint.UPLOADED, both) == "Lip-sync processing..."
