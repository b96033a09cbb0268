"""Areas are drawn on the source; the text has to go from the *result*, exactly while it can be seen there."""

import asyncio
from typing import Any

import pytest

from deployments.gateway.telling import timeline
from deployments.local.measure import frames, length, psnr
from tests.stack.captions import visibility
from tests.stack.conftest import Desk
from videojobs.fitting import sent_segments
from videojobs.ledger import Lease, VideoJob
from videojobs.media.store import sync_result_key
from videojobs.request import JobRequest
from videojobs.states import Status

SEEN, GONE = 0.85, 0.15  # shares of the caption's contrast: clearly there, and too faint to read
TOUCHED = 34.0  # dB: two codings of one picture are closer than this


def one_segment(desk: Desk, start: float, end: float, ref_id: str, **options: str) -> dict[str, Any]:
    """The sample, whose caption is on from 4.1 s to 8.3 s, with one segment in that time."""
    return desk.request(
        audio=[{"refId": ref_id, "source": str(desk.sample.audio[ref_id])}],
        segments=[{"startTime": start, "endTime": end, "audioInput": {"refId": ref_id}}],
        options=options,
    )


async def check(desk: Desk, job: VideoJob, *, expected_length: float) -> None:
    """The caption is in no frame of the result; frames of the lip-sync result without it have not been touched."""
    final = await desk.final_video(job)
    lip_sync = desk.folder / f"lip-sync-{job.id}.mp4"
    desk.store.fetch(sync_result_key(job.user_id, job.id), lip_sync)
    before, after = visibility(desk.sample, lip_sync), visibility(desk.sample, final)
    assert length(final) == pytest.approx(expected_length, abs=0.06)
    assert len(before) == len(after)
    shown = [index for index, seen in enumerate(before) if seen > SEEN]
    assert shown, "the lip-sync result shows no caption: nothing is tested"
    assert max(after) < GONE
    pictures = zip(frames(lip_sync), frames(final), strict=True)
    touched = [index for index, ((_, one), (_, other)) in enumerate(pictures) if psnr(one, other) < TOUCHED]
    assert shown[0] - 1 <= touched[0]
    assert touched[-1] <= shown[-1] + 1


async def test_when_clips_are_longer_and_shorter_the_text_is_gone_exactly_while_it_is_visible(
    desk: Desk, here: None
) -> None:
    longer, shorter, behind = await asyncio.gather(
        desk.run_here(one_segment(desk, 4.5, 5.5, "audio-1")),  # 1 s becomes 2.6 s, inside the caption's time
        desk.run_here(one_segment(desk, 6, 8, "audio-2")),  # 2 s becomes 1.1 s
        desk.run_here(one_segment(desk, 1, 2, "audio-1")),  # all of the caption's time comes 1.6 s later
    )
    await check(desk, longer, expected_length=11.6)
    await check(desk, shorter, expected_length=9.1)
    await check(desk, behind, expected_length=11.6)


async def test_a_split_to_the_very_end_is_sent_as_the_vendor_takes_it_and_the_events_say_what_was_changed(
    desk: Desk, here: None
) -> None:
    """As an editor's split makes it: parts that touch, the list out of order, ends some milliseconds past the files."""
    request = one_segment(desk, 0, 1, "audio-1")
    behind: dict[str, Any] = {
        "startTime": 7,
        "endTime": 10.003,
        "audioInput": {"refId": "audio-1", "startTime": 1.2, "endTime": 2.603},
    }
    before = {"startTime": 4.5, "endTime": 7, "audioInput": {"refId": "audio-1", "startTime": 0, "endTime": 1.2}}
    job = await desk.run_here(request | {"segments": [behind, before]})
    assert job.error_message is None
    [generation] = await desk.paid("sync_so", job.id)
    assert generation["request"]["segments"] == [
        before | {"endTime": 6.98},
        behind | {"endTime": 9.95, "audioInput": {**behind["audioInput"], "endTime": 2.55}},
    ]
    assert job.request["segments"] == [before, behind]
    told = [event.message for event in timeline(await desk.ledger.events(job.id)) if event.kind == "shortened"]
    assert told == [
        "Sync.so gets some ends earlier than they were given: the segment from 4.5 s to 7 s ends at 6.98 s, since the "
        "next one begins at 7 s; the segment from 7 s to 10.003 s ends at 9.95 s, since the video lasts 10 s; the "
        "audio of the segment from 7 s ends at 2.55 s instead of 2.603 s, since audio-1 lasts 2.6 s."
    ]
    await check(desk, job, expected_length=4.5 + 1.2 + 0.02 + 1.35 + 0.05)


async def test_a_gap_that_was_too_small_can_be_made_larger_for_another_try(
    desk: Desk, here: None, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves = [{"startTime": start, "endTime": start + 1, "audioInput": {"refId": "audio-2"}} for start in (0, 1)]
    request = desk.small(areas=False) | {"segments": halves}
    await desk.settings("sync_so", least_gap=0.05)
    try:
        failed = await desk.run_here(request, job_id)
        assert failed.error_message == "Lip-sync failed: The segments configuration is invalid."
        await reopened(desk, job_id)
        monkeypatch.setenv("VIDEOJOBS_LIMIT_SEGMENT_GAP_SECONDS", "0.95")
        failed = await desk.run_here(request, job_id)
        assert "segments[0].endTime: is 1 s, but Sync.so takes this segment only to 0.05 s" in str(failed.error_message)
        await reopened(desk, job_id)
        monkeypatch.setenv("VIDEOJOBS_LIMIT_SEGMENT_GAP_SECONDS", "0.06")
        job = await desk.run_here(request, job_id)
    finally:
        await desk.settings("sync_so", least_gap=0.01)
    assert job.status == Status.COMPLETED
    generations = await desk.paid("sync_so", job_id)
    assert [generation["request"]["segments"][0]["endTime"] for generation in generations] == [0.98, 0.94]
    monkeypatch.delenv("VIDEOJOBS_LIMIT_SEGMENT_GAP_SECONDS")
    [first, _] = sent_segments(JobRequest.model_validate(job.request), job.facts)
    assert first.endTime == 0.94, "what was sent counts, not what would be sent now"


async def reopened(desk: Desk, job_id: str) -> None:
    """As an operator's decision does it, without the run on the worker."""
    lease = Lease(job_id, "test/1")
    await desk.ledger.claim(lease, 60)
    await desk.ledger.reopen(lease, {"reason": "a test"})
    await desk.ledger.release(lease)


async def test_when_the_picture_is_played_again_the_text_is_gone_each_time(desk: Desk, here: None) -> None:
    looped, bounced = await asyncio.gather(
        desk.run_here(one_segment(desk, 3.5, 4.5, "audio-1", sync_mode="loop")),
        desk.run_here(one_segment(desk, 3.5, 4.5, "audio-1", sync_mode="bounce")),
    )
    for job in (looped, bounced):
        final = await desk.final_video(job)
        assert max(visibility(desk.sample, final)) < GONE
        assert length(final) == pytest.approx(11.6, abs=0.06)


async def test_when_the_vendor_keeps_the_length_the_times_stay_as_they_were_drawn(desk: Desk, here: None) -> None:
    await desk.settings("sync_so", segment_length="kept")
    try:
        job = await desk.run_here(one_segment(desk, 1, 2, "audio-1"))
    finally:
        await desk.settings("sync_so", segment_length="changes")
    await check(desk, job, expected_length=10.0)


async def test_when_nobody_can_tell_the_range_is_widened_and_the_events_say_so(desk: Desk, here: None) -> None:
    await desk.settings("sync_so", segment_length="odd")
    try:
        job = await desk.run_here(one_segment(desk, 1, 2, "audio-1"))
    finally:
        await desk.settings("sync_so", segment_length="changes")
    assert max(visibility(desk.sample, await desk.final_video(job))) < GONE
    details = [event.detail or {} for event in await desk.ledger.events(job.id)]
    [story] = [detail["timeline"] for detail in details if "timeline" in detail]
    assert "widened" in story[0]


async def test_when_the_text_was_cut_out_with_its_segment_nothing_is_paid_for(desk: Desk, here: None) -> None:
    request = one_segment(desk, 2, 9, "audio-2", sync_mode="cut_off")  # 7 s are cut to 1.1 s, the caption with them
    job = await desk.run_here(request)
    assert job.progress_message == "Pro video processing completed (lip-sync only)"
    assert await desk.paid("ghostcut", job.id) == []
