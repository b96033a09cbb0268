"""Links to what a job has in the storage: signed when somebody asks for them."""

import asyncio
import re
from pathlib import PurePath
from typing import Final

from deployments.gateway.front import Front
from deployments.gateway.shapes import JobStatus, Taken, What
from deployments.gateway.telling import message_of, old_status
from videojobs.ledger import VideoJob
from videojobs.media.store import ObjectStore, lecture_key, picture_key, result_key, sync_result_key
from videojobs.settings import Timings
from videojobs.states import Status, Work

DAY_SECONDS: Final = 86_400


_OF_LECTURES: Final = {
    "pdf": "lecture.pdf",
    "srt": "subtitles.srt",
    "vtt": "subtitles.vtt",
    "times": "times.json",
    "slides": "slides.zip",
}


def place_of(job: VideoJob, what: What, number: int = 1) -> str | None:
    """The key or `s3://` address of one of a job's files; None where there is none yet. `number` is a slide's."""
    match what:
        case "slide":
            return lecture_key(job.user_id, job.id, f"slide-{number:04}.png")
        case "pdf" | "srt" | "vtt" | "times" | "slides":
            return lecture_key(job.user_id, job.id, _OF_LECTURES[what])
        case "source":
            inputs = job.facts.get("inputs") or {}
            return inputs.get("video")
        case "lip_sync":
            return sync_result_key(job.user_id, job.id)
        case "before_after":
            return picture_key(job.user_id, job.id)
        case _:
            return result_key(job.user_id, job.id)


async def link(store: ObjectStore, place: str, seconds: int, *, save_as: str | None = None) -> str | None:
    """A link to an object by its key or address; None where there is no such object."""
    owner, key = store.located(place) if place.startswith("s3://") else (store, place)
    if await asyncio.to_thread(owner.head, key) is None:
        return None
    return owner.presign(key, seconds, save_as=save_as)


async def has_picture(front: Front, job: VideoJob) -> bool:
    """Whether there is a before/after picture: it is made after all else, and only if it can be made."""
    if job.status != Status.COMPLETED or job.work is Work.LECTURE:
        return False
    store = await front.backing.store(job)
    return await asyncio.to_thread(store.head, picture_key(job.user_id, job.id)) is not None


def file_name(job: VideoJob, what: What, place: str) -> str:
    """What a file of a job is called on somebody's disk: by the job's name, as far as that is safe in a header."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", job.display_name or "").strip("-._")[:80] or job.id
    said = PurePath(place).stem if what == "slide" else what.replace("_", "-")
    return f"{name}-{said}{PurePath(place).suffix}"


async def output_link(front: Front, job: VideoJob) -> str | None:
    """A link to what the job has made, that works for as long as one can; None before there is something."""
    if job.output_url is None:
        return None
    owner, key = (await front.backing.store(job)).located(job.output_url)
    return owner.presign(key, round(Timings().result_link_days * DAY_SECONDS))


async def status_of(front: Front, job: VideoJob) -> JobStatus:
    """The five fields of the old system."""
    return JobStatus(
        job_id=job.id,
        status=old_status(job),
        progress=job.progress_percentage,
        message=message_of(job),
        output_url=await output_link(front, job),
    )


async def taken(front: Front, job: VideoJob) -> Taken:
    """The answer to a request that has become a job."""
    status = await status_of(front, job)
    return Taken(
        **status.model_dump(),
        status_url=f"/api/v1/video-editors/pro-job/{job.id}/status",
        sync_generation_id=job.zhaoli_task_id,
        segments_count=job.segments_data["total_segments"],
    )
