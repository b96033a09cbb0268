"""Rejects crops far beyond the end of their audio, by the lengths that stored files declare.

An editor that splits a segment may cut its audio by the times of the video: seconds 9.5 to 12 of a clip of five. The
job's run would reject that, too, once it has decoded the files; here the client is still waiting.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from videojobs.errors import FieldError, InvalidRequest, VideoJobError
from videojobs.media.declared_length import declared_audio_seconds
from videojobs.media.executors import run_cpu_bound
from videojobs.requests.media_rules import crop_bounds_errors
from videojobs.requests.models import JobRequest
from videojobs.storage.object_store import ObjectStore

TOLERANCE_SECONDS: Final = 1.0  # the run is exact; a declared length may miss what codecs add, and rounded tags
_TIMEOUT_SECONDS: Final = 10.0  # for all files; some requests of a few KB each. The run checks what is not checked here

log = logging.getLogger(__name__)


async def reject_crops_beyond_audio(
    store: ObjectStore, request: JobRequest, segments_as_sent: object, names: Mapping[str, str] | None = None
) -> None:
    """Raises InvalidRequest with segments numbered as they were sent. Files elsewhere are left to the run.

    `names` has the client's names of the audio files, by refId: a form's user does not know the refIds.
    """
    cropped = {item.audioInput.refId for item in request.segments if item.audioInput.startTime is not None}
    sources = {item.refId: item.source for item in request.audio if item.refId in cropped}
    stored = {ref_id: source for ref_id, source in sources.items() if source.startswith("s3://")}
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            lengths = {ref_id: await _declared_seconds(store, source) for ref_id, source in stored.items()}
    except (VideoJobError, TimeoutError) as error:
        log.warning("The lengths of audio files were not checked: %s", type(error).__name__)
        return
    known = {ref_id: seconds for ref_id, seconds in lengths.items() if seconds is not None}
    order = _sent_order(segments_as_sent, len(request.segments))
    problems: list[FieldError] = []
    for number, segment in zip(order, request.segments, strict=True):
        if (seconds := known.get(segment.audioInput.refId)) is not None:
            problems += crop_bounds_errors(
                f"segments[{number}].audioInput",
                segment,
                seconds,
                start_tolerance=TOLERANCE_SECONDS,
                end_tolerance=TOLERANCE_SECONDS,
                audio_name=(names or {}).get(segment.audioInput.refId),
            )
    if problems:
        raise InvalidRequest(problems)


async def _declared_seconds(store: ObjectStore, source: str) -> float | None:
    owner, key = store.resolve_uri(source)
    return await run_cpu_bound(lambda: declared_audio_seconds(owner.open(key)))


def _sent_order(segments: object, count: int) -> Sequence[int]:
    """The client's number of each segment: requests have them sorted by start."""
    if not isinstance(segments, list) or len(segments) != count:
        return range(count)
    sent: list[dict[str, Any]] = segments
    return sorted(range(count), key=lambda number: float(sent[number]["startTime"]))
