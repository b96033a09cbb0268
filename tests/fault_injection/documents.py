"""Checks whether a lecture with injected faults has all its documents, and repeated no stage."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pypdfium2

from videojobs.db import JobEvent, VideoJob
from videojobs.states import RecoveryPoint
from videojobs.storage.object_store import ObjectStore, lecture_key

FILES: Final = {
    "transcript.json": (RecoveryPoint.TRANSCRIBED, RecoveryPoint.ANALYZED),
    "times.json": (RecoveryPoint.SLIDES_FOUND, RecoveryPoint.ANALYZED),
    "slide-0001.png": (RecoveryPoint.SLIDES_FOUND, RecoveryPoint.ANALYZED),
    "slide-0002.png": (RecoveryPoint.SLIDES_FOUND, RecoveryPoint.ANALYZED),
    "slides.zip": (RecoveryPoint.DOCUMENTS_STORED,),
    "subtitles.srt": (RecoveryPoint.DOCUMENTS_STORED,),
    "subtitles.vtt": (RecoveryPoint.DOCUMENTS_STORED,),
    "lecture.pdf": (RecoveryPoint.DOCUMENTS_STORED,),
}
"""The files of a lecture with two slides, and the recovery points that record each, the latest one last."""

_CLOCK_TOLERANCE: Final = timedelta(seconds=2)  # the store reports whole seconds


def document_defects(store: ObjectStore, job: VideoJob, events: Sequence[JobEvent]) -> list[str]:
    """All problems, each a sentence."""
    return [*_missing_files(store, job), *_repeated_stages(store, job, events)]


def _missing_files(store: ObjectStore, job: VideoJob) -> Iterator[str]:
    prefix = lecture_key(job.user_id, job.id, "")
    found = {key.removeprefix(prefix) for key in store.list_keys(prefix)}
    if found != FILES.keys():
        yield f"it has {sorted(found)}"
        return
    with pypdfium2.PdfDocument(store.open(prefix + "lecture.pdf").read()) as pdf:
        text = " ".join(page.get_textpage().get_text_range() for page in pdf)
    if len(text.split()) < len(["water", "is", "in", "the", "oceans"]):
        yield f"its PDF says {text!r}"


def _repeated_stages(store: ObjectStore, job: VideoJob, events: Sequence[JobEvent]) -> Iterator[str]:
    """An object that is newer than its stage's recovery point."""
    at: Mapping[str, datetime] = {event.point: event.at for event in events if event.kind == "advanced"}
    for name, points in FILES.items():
        key = lecture_key(job.user_id, job.id, name)
        written_at = store.client.head_object(Bucket=store.bucket, Key=key)["LastModified"].astimezone(UTC)
        recorded_at = max(at[point] for point in points if point in at)
        if written_at > recorded_at + _CLOCK_TOLERANCE:
            yield f"{name} was written at {written_at}, and its stage was recorded at {recorded_at}"
