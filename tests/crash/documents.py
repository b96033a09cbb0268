"""Whether a lecture that was struck has all its documents, and no stage of it was done twice."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pypdfium2

from videojobs.ledger import JobEvent, VideoJob
from videojobs.media.store import ObjectStore, lecture_key
from videojobs.states import Point

FILES: Final = {
    "transcript.json": (Point.TRANSCRIBED, Point.UNDERSTOOD),
    "times.json": (Point.SLIDES_FOUND, Point.UNDERSTOOD),
    "slide-0001.png": (Point.SLIDES_FOUND, Point.UNDERSTOOD),
    "slide-0002.png": (Point.SLIDES_FOUND, Point.UNDERSTOOD),
    "slides.zip": (Point.DOCUMENTS_STORED,),
    "subtitles.srt": (Point.DOCUMENTS_STORED,),
    "subtitles.vtt": (Point.DOCUMENTS_STORED,),
    "lecture.pdf": (Point.DOCUMENTS_STORED,),
}
"""What a lecture of two slides has, and the points at which each is on the books, the latest one last."""

_CLOCKS: Final = timedelta(seconds=2)  # the store tells whole seconds


def documents_wrong(store: ObjectStore, job: VideoJob, events: Sequence[JobEvent]) -> list[str]:
    """Each trouble is a sentence."""
    return [*_missing(store, job), *_done_again(store, job, events)]


def _missing(store: ObjectStore, job: VideoJob) -> Iterator[str]:
    prefix = lecture_key(job.user_id, job.id, "")
    found = {key.removeprefix(prefix) for key in store.keys(prefix)}
    if found != FILES.keys():
        yield f"it has {sorted(found)}"
        return
    with pypdfium2.PdfDocument(store.open(prefix + "lecture.pdf").read()) as pdf:
        text = " ".join(page.get_textpage().get_text_range() for page in pdf)
    if len(text.split()) < len(["water", "is", "in", "the", "oceans"]):
        yield f"its PDF says {text!r}"


def _done_again(store: ObjectStore, job: VideoJob, events: Sequence[JobEvent]) -> Iterator[str]:
    """An object that is newer than the point at which its stage was on the books."""
    at: Mapping[str, datetime] = {event.point: event.at for event in events if event.kind == "advanced"}
    for name, points in FILES.items():
        key = lecture_key(job.user_id, job.id, name)
        written = store.client.head_object(Bucket=store.bucket, Key=key)["LastModified"].astimezone(UTC)
        booked = max(at[point] for point in points if point in at)
        if written > booked + _CLOCKS:
            yield f"{name} was written at {written}, and was on the books at {booked}"
