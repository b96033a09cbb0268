"""Areas are drawn on the source; the text has to be removed from the *result*, exactly while it is visible there."""

import asyncio
from typing import Any

import pytest

from deployments.api.views.job_view import event_log
from deployments.local.quality import psnr, read_frames, video_duration
from tests.acceptance.conftest import StackDriver
from tests.support.captions import caption_visibility
from videojobs.db import Lease, VideoJob
from videojobs.pipeline.segment_adjustment import sent_segments
from videojobs.states import Status
from videojobs.storage.object_store import lip_sync_result_key

VISIBLE_SHARE, INVISIBLE_SHARE = 0.85, 0.15  # of the caption's contrast: clearly visible, and too faint to read
UNCHANGED_PSNR = 34.0  # dB: two encodings of one frame are closer than this


def one_segment_request(driver: StackDriver, start: float, end: float, ref_id: str, **options: str) -> dict[str, Any]:
    """The sample, whose caption is visible from 4.1 s to 8.3 s, with one segment in that time."""
    return driver.make_request(
        audio=[{"refId": ref_id, "source": str(driver.sample.audio[ref_id])}],
        segments=[{"startTime": start, "endTime": end, "audioInput": {"refId": ref_id}}],
        options=options,
    )


async def assert_caption_removed(driver: StackDriver, job: VideoJob, *, expected_length: float) -> None:
    """The caption is in no frame of the result; frames without it equal those of the lip-sync result."""
    final = await driver.download_result(job)
    lip_sync = driver.folder / f"lip-sync-{job.id}.mp4"
    driver.store.download(lip_sync_result_key(job.user_id, job.id), lip_sync)
    before, after = caption_visibility(driver.sample, lip_sync), caption_visibility(driver.sample, final)
    assert video_duration(final) == pytest.approx(expected_length, abs=0.06)
    assert len(before) == len(after)
    shown = [index for index, seen in enumerate(before) if seen > VISIBLE_SHARE]
    assert shown, "the lip-sync result shows no caption: nothing is tested"
    assert max(after) < INVISIBLE_SHARE
    pictures = zip(read_frames(lip_sync), read_frames(final), strict=True)
    touched = [index for index, ((_, one), (_, other)) in enumerate(pictures) if psnr(one, other) < UNCHANGED_PSNR]
    assert shown[0] - 1 <= touched[0]
    assert touched[-1] <= shown[-1] + 1


async def test_text_is_removed_exactly_while_visible_after_retiming(
    driver: StackDriver, in_process_flows: None
) -> None:
    longer, shorter, behind = await asyncio.gather(
        driver.run_in_process(
            one_segment_request(driver, 4.5, 5.5, "audio-1")
        ),  # 1 s becomes 2.6 s, while the caption is visible
        driver.run_in_process(one_segment_request(driver, 6, 8, "audio-2")),  # 2 s becomes 1.1 s
        driver.run_in_process(one_segment_request(driver, 1, 2, "audio-1")),  # the caption's interval moves 1.6 s later
    )
    await assert_caption_removed(driver, longer, expected_length=11.6)
    await assert_caption_removed(driver, shorter, expected_length=9.1)
    await assert_caption_removed(driver, behind, expected_length=11.6)


async def test_segments_are_shortened_to_vendor_limits_and_recorded(
    driver: StackDriver, in_process_flows: None
) -> None:
    """As an editor's split makes them: parts touch, are out of order, and end some milliseconds after the files."""
    request = one_segment_request(driver, 0, 1, "audio-1")
    behind: dict[str, Any] = {
        "startTime": 7,
        "endTime": 10.003,
        "audioInput": {"refId": "audio-1", "startTime": 1.2, "endTime": 2.603},
    }
    before = {"startTime": 4.5, "endTime": 7, "audioInput": {"refId": "audio-1", "startTime": 0, "endTime": 1.2}}
    job = await driver.run_in_process(request | {"segments": [behind, before]})
    assert job.error_message is None
    [generation] = await driver.vendor_submissions("sync_so", job.id)
    assert generation["request"]["segments"] == [
        before | {"endTime": 6.98},
        behind | {"endTime": 9.95, "audioInput": {**behind["audioInput"], "endTime": 2.55}},
    ]
    assert job.request["segments"] == [before, behind]
    told = [
        event.message for event in event_log(await driver.repository.list_events(job.id)) if event.kind == "shortened"
    ]
    assert told == [
        "Some ends were moved forward for Sync.so: the segment from 4.5 s to 7 s ends at 6.98 s, since the "
        "next one begins at 7 s; the segment from 7 s to 10.003 s ends at 9.95 s, since the video lasts 10 s; the "
        "audio of the segment from 7 s ends at 2.55 s instead of 2.603 s, since audio-1 lasts 2.6 s."
    ]
    await assert_caption_removed(driver, job, expected_length=4.5 + 1.2 + 0.02 + 1.35 + 0.05)


async def test_a_larger_segment_gap_can_be_set_for_a_retry(
    driver: StackDriver, in_process_flows: None, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves = [{"startTime": start, "endTime": start + 1, "audioInput": {"refId": "audio-2"}} for start in (0, 1)]
    request = driver.make_small_request(areas=False) | {"segments": halves}
    await driver.update_vendor_settings("sync_so", least_gap=0.05)
    try:
        failed = await driver.run_in_process(request, job_id)
        assert failed.error_message == "Lip-sync failed: The segments configuration is invalid."
        await reopen_job(driver, job_id)
        monkeypatch.setenv("VIDEOJOBS_LIMIT_SEGMENT_GAP_SECONDS", "0.95")
        failed = await driver.run_in_process(request, job_id)
        assert "segments[0].endTime: is 1 s, but Sync.so accepts this segment only up to 0.05 s" in str(
            failed.error_message
        )
        await reopen_job(driver, job_id)
        monkeypatch.setenv("VIDEOJOBS_LIMIT_SEGMENT_GAP_SECONDS", "0.06")
        job = await driver.run_in_process(request, job_id)
    finally:
        await driver.update_vendor_settings("sync_so", least_gap=0.01)
    assert job.status == Status.COMPLETED
    generations = await driver.vendor_submissions("sync_so", job_id)
    assert [generation["request"]["segments"][0]["endTime"] for generation in generations] == [0.98, 0.94]
    monkeypatch.delenv("VIDEOJOBS_LIMIT_SEGMENT_GAP_SECONDS")
    [first, _] = sent_segments(job.video_request, job.facts)
    assert first.endTime == 0.94, "what was sent counts, not what would be sent now"


async def reopen_job(driver: StackDriver, job_id: str) -> None:
    """Reopen the job like an operator's decision, without a run on the worker."""
    lease = Lease(job_id, "test/1")
    await driver.repository.acquire_lease(lease, 60)
    await driver.repository.reopen(lease, {"reason": "a test"})
    await driver.repository.release_lease(lease)


async def test_text_is_removed_from_every_repetition(driver: StackDriver, in_process_flows: None) -> None:
    looped, bounced = await asyncio.gather(
        driver.run_in_process(one_segment_request(driver, 3.5, 4.5, "audio-1", sync_mode="loop")),
        driver.run_in_process(one_segment_request(driver, 3.5, 4.5, "audio-1", sync_mode="bounce")),
    )
    for job in (looped, bounced):
        final = await driver.download_result(job)
        assert max(caption_visibility(driver.sample, final)) < INVISIBLE_SHARE
        assert video_duration(final) == pytest.approx(11.6, abs=0.06)


async def test_area_times_stay_when_the_vendor_keeps_the_length(driver: StackDriver, in_process_flows: None) -> None:
    await driver.update_vendor_settings("sync_so", segment_length="kept")
    try:
        job = await driver.run_in_process(one_segment_request(driver, 1, 2, "audio-1"))
    finally:
        await driver.update_vendor_settings("sync_so", segment_length="changes")
    await assert_caption_removed(driver, job, expected_length=10.0)


async def test_an_ambiguous_time_range_is_widened_and_recorded(driver: StackDriver, in_process_flows: None) -> None:
    await driver.update_vendor_settings("sync_so", segment_length="odd")
    try:
        job = await driver.run_in_process(one_segment_request(driver, 1, 2, "audio-1"))
    finally:
        await driver.update_vendor_settings("sync_so", segment_length="changes")
    assert max(caption_visibility(driver.sample, await driver.download_result(job))) < INVISIBLE_SHARE
    details = [event.detail or {} for event in await driver.repository.list_events(job.id)]
    [story] = [detail["timeline"] for detail in details if "timeline" in detail]
    assert "widened" in story[0]


async def test_text_cut_out_with_its_segment_costs_nothing(driver: StackDriver, in_process_flows: None) -> None:
    request = one_segment_request(
        driver, 2, 9, "audio-2", sync_mode="cut_off"
    )  # 7 s are cut to 1.1 s, the caption with them
    job = await driver.run_in_process(request)
    assert job.progress_message == "Pro video processing completed (lip-sync only)"
    assert await driver.vendor_submissions("ghostcut", job.id) == []
