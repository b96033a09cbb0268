"""Adjusts the ends of segments to what the lip-sync vendor accepts (Sync.so 15).

The vendor fails the whole submission, after accepting it, if a segment or a crop ends even two milliseconds past its
file, or if two segments touch. Both are common: tools measure files differently, and an editor's split makes segments
that touch. So ends are moved to a margin before the end of the file, and before the next segment. Only ends move, only
earlier, and imperceptibly; anything further off is rejected by `videojobs.requests.media_rules`.

The stored request stays as the client sent it. The sent segments are recorded with the result, from the paid request,
so that later changes of settings do not matter: see `sent_segments`. All times are in seconds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from videojobs.pipeline.facts import JobFacts
from videojobs.requests.models import AudioInput, JobRequest, Segment, to_microseconds
from videojobs.settings import LimitSettings
from videojobs.text import format_seconds


@dataclass(frozen=True, slots=True)
class FittedSegments:
    """The segments to send, one per segment of the request, and a clause on each end that was moved.

    Where the request breaks a rule of `videojobs.requests.media_rules`, an end may lie before its start.
    """

    segments: list[Segment]
    changes: list[str]


def fit_segment_ends(
    segments: Sequence[Segment], video_seconds: float, audio_seconds: Mapping[str, float], limits: LimitSettings
) -> FittedSegments:
    """`segments` are sorted and do not overlap; `audio_seconds` has the length of each audio file by its refId."""
    fitted, changes = [], []
    for segment, following in zip_longest(segments, segments[1:]):
        end, why = _fit_segment_end(segment, following, video_seconds, limits)
        if why:
            span = f"from {format_seconds(segment.startTime)} to {format_seconds(segment.endTime)}"
            changes.append(f"the segment {span} ends at {format_seconds(end)}, since {why}")
        crop = _fit_crop(segment.audioInput, audio_seconds[segment.audioInput.refId], limits)
        if crop != segment.audioInput:
            changes.append(_describe_crop_change(segment, crop, audio_seconds[crop.refId]))
        fitted.append(segment.model_copy(update={"endTime": end, "audioInput": crop}))
    return FittedSegments(fitted, changes)


def fit_request_segments(request: JobRequest, facts: JobFacts, limits: LimitSettings) -> FittedSegments:
    """As `fit_segment_ends`. Needs the facts of the inputs."""
    return fit_segment_ends(request.segments, facts.source_video.duration, facts.audio_durations, limits)


def sent_segments(request: JobRequest, facts: JobFacts) -> list[Segment]:
    """The segments of the lip-sync result; those of the request if the result is older than the record of them."""
    return request.segments if facts.sent_segments is None else facts.sent_segments


def _fit_segment_end(
    segment: Segment, following: Segment | None, video_seconds: float, limits: LimitSettings
) -> tuple[float, str | None]:
    """The adjusted end, and the reason if it was moved."""
    end, why = segment.endTime, None
    if to_microseconds(video_seconds - end) < limits.end_margin_seconds:
        end, why = (
            _floor_to_millisecond(video_seconds - limits.end_margin_seconds),
            f"the video lasts {_format_rounded(video_seconds)}",
        )
    if following is not None and to_microseconds(following.startTime - end) < limits.segment_gap_seconds:
        end = _floor_to_millisecond(following.startTime - limits.segment_gap_seconds)
        why = f"the next one begins at {format_seconds(following.startTime)}"
    return end, why


def _fit_crop(crop: AudioInput, audio_seconds: float, limits: LimitSettings) -> AudioInput:
    """Both ends or none, as the vendor requires. Without ends it uses the whole file: nothing to adjust."""
    part = crop.crop_range(audio_seconds)
    if part is None:
        return crop
    start, end = part
    if to_microseconds(audio_seconds - end) < limits.end_margin_seconds:
        end = _floor_to_millisecond(audio_seconds - limits.end_margin_seconds)
    return crop.model_copy(update={"startTime": start, "endTime": end})


def _describe_crop_change(segment: Segment, crop: AudioInput, audio_seconds: float) -> str:
    given, now = segment.audioInput.endTime, format_seconds(crop.endTime or 0.0)
    was = "its end" if given is None else format_seconds(given)
    return (
        f"the audio of the segment from {format_seconds(segment.startTime)} ends at {now} instead of {was}, "
        f"since {crop.refId} lasts {_format_rounded(audio_seconds)}"
    )


def _floor_to_millisecond(seconds: float) -> float:
    """Rounds down to the millisecond, without losing one to float noise."""
    return math.floor(round(seconds * 1000, 6)) / 1000


def _format_rounded(seconds: float) -> str:
    return format_seconds(round(seconds, 3))
