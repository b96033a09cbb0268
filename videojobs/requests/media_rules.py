"""Rules that need measured facts: checked after probing, before anything is uploaded or paid for.

Segments have been sorted by then, so a message names its times: their number may differ from the client's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from videojobs.errors import FieldError, ProblemCode
from videojobs.pipeline.segment_adjustment import fit_segment_ends
from videojobs.pipeline.timeline import predict_timeline, segment_audio
from videojobs.providers.registry import ProviderSelection, display_name
from videojobs.requests.models import AnnotationArea, JobRequest, Segment, to_microseconds
from videojobs.settings import LimitSettings
from videojobs.states import Stage, Stages
from videojobs.text import format_seconds

MB: Final = 1_000_000
# Seconds by which an area may end behind the picture: an editor's end is that of the audio, which may be longer by this
# (`videojobs.media.probe.MAX_AUDIO_TAIL`). There is nothing to erase, so that part is not sent.
MAX_AREA_OVERHANG_SECONDS: Final = 2.0


class MediaInfo(Protocol):
    """Facts of any file. Sizes are in bytes, durations in seconds."""

    @property
    def container(self) -> str:
        """mp4, mov, wav ..."""

    @property
    def size(self) -> int: ...
    @property
    def duration(self) -> float: ...


class VideoInfo(MediaInfo, Protocol):
    """Also facts of a video: displayed pixels, and frames per second."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def frame_rate(self) -> float: ...


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """What the first vendor of a job takes: container names, seconds, bytes."""

    containers: frozenset[str]
    max_seconds: float
    max_bytes: int


def video_limits(stages: Stages, limits: LimitSettings) -> VideoLimits:
    """The limits of the source video: those of the lip-sync, or of the text removal for a job without lip-sync."""
    if stages == (Stage.TEXT_REMOVAL,):
        most_bytes = min(limits.max_video_bytes, limits.inpaint_max_bytes - 1)  # the vendor's file has to be smaller
        return VideoLimits(limits.inpaint_containers, limits.inpaint_max_seconds, most_bytes)
    return VideoLimits(limits.video_containers, limits.max_video_seconds, limits.max_video_bytes)


def validate_media(
    request: JobRequest, video: VideoInfo, audio: Mapping[str, MediaInfo], limits: LimitSettings
) -> list[FieldError]:
    """Every broken rule. `audio` has the facts of each audio file by its refId."""
    problems = [*_video_errors(video, video_limits(request.stages, limits), limits)]
    for index, item in enumerate(request.audio):
        problems += _audio_errors(f"audio[{index}].source", audio[item.refId], limits)
    lengths = {item.refId: audio[item.refId].duration for item in request.audio}
    problems += validate_segments(request, video.duration, video.frame_rate, lengths, limits)
    for index, area in enumerate(request.effects):
        problems += _bounds_errors(
            f"effects[{index}]", ("start", "end"), area, video.duration, MAX_AREA_OVERHANG_SECONDS
        )
    # The lip-sync result can only be predicted from valid times.
    return problems or [*_predicted_result_errors(request, video, lengths, limits)]


def validate_segments(
    request: JobRequest,
    video_seconds: float,
    frame_rate: float,
    audio_seconds: Mapping[str, float],
    limits: LimitSettings,
) -> list[FieldError]:
    """Segments and crops outside their files, or too short after the adjustment for the vendor.

    Checked again before the vendor is paid: the margin or the gap may have been raised since. `audio_seconds` by refId.
    """
    problems: list[FieldError] = []
    fitted = fit_segment_ends(request.segments, video_seconds, audio_seconds, limits)
    overhang = (
        limits.end_margin_seconds + 1 / frame_rate
    )  # a larger overhang is a mistake, not a difference in measuring
    for index, (segment, sent) in enumerate(zip(request.segments, fitted.segments, strict=True)):
        path = f"segments[{index}]"
        misplaced = [*_bounds_errors(path, ("startTime", "endTime"), segment, video_seconds, overhang)]
        problems += misplaced or [*_remaining_length_errors(path, segment, sent, limits)]
        problems += _crop_errors(f"{path}.audioInput", segment, sent, audio_seconds[segment.audioInput.refId], overhang)
    return problems


def validate_lip_sync_result(request: JobRequest, video: MediaInfo, limits: LimitSettings) -> list[FieldError]:
    """Whether text removal accepts a lip-sync result of this length and size."""
    problems, field = [], _text_removal_field(request)
    if video.duration > limits.inpaint_max_seconds:
        length, most = format_seconds(round(video.duration, 3)), format_seconds(limits.inpaint_max_seconds)
        message = f"text removal accepts at most {most}; the result is {length} long"
        problems.append(FieldError(field, message, ProblemCode.TOO_LONG))
    if video.size >= limits.inpaint_max_bytes:
        size = f"{_format_mb(video.size)}; text removal accepts less than {_format_mb(limits.inpaint_max_bytes)}"
        problems.append(FieldError(field, f"the lip-sync result has {size}", ProblemCode.TOO_LARGE))
    return problems


def _video_errors(video: VideoInfo, allowed: VideoLimits, limits: LimitSettings) -> Iterator[FieldError]:
    yield from _container_errors("video", video, allowed.containers)
    yield from _size_limit_errors("video", video, allowed.max_seconds, allowed.max_bytes)
    short, long = sorted((video.width, video.height))
    if long > limits.max_picture_long_side or short > limits.max_picture_short_side:
        most = f"{limits.max_picture_long_side} x {limits.max_picture_short_side}"
        message = f"has {video.width} x {video.height} pixels; at most {most} are possible"
        yield FieldError("video", message, ProblemCode.TOO_LARGE)


def _audio_errors(path: str, audio: MediaInfo, limits: LimitSettings) -> Iterator[FieldError]:
    yield from _container_errors(path, audio, limits.audio_containers)
    yield from _size_limit_errors(path, audio, limits.max_audio_seconds, limits.max_audio_bytes)


def _container_errors(path: str, file: MediaInfo, allowed: frozenset[str]) -> Iterator[FieldError]:
    if file.container not in allowed:
        message = f"is a {file.container} file; convert it to one of {', '.join(sorted(allowed))}"
        yield FieldError(path, message, ProblemCode.UNSUPPORTED_FORMAT)


def _size_limit_errors(path: str, file: MediaInfo, max_seconds: float, max_bytes: int) -> Iterator[FieldError]:
    if file.duration > max_seconds:
        length, most = format_seconds(round(file.duration, 3)), format_seconds(max_seconds)
        yield FieldError(path, f"is {length} long; at most {most} are allowed", ProblemCode.TOO_LONG)
    if file.size > max_bytes:
        message = f"has {_format_mb(file.size)}; at most {_format_mb(max_bytes)} are allowed"
        yield FieldError(path, message, ProblemCode.TOO_LARGE)


def _bounds_errors(
    path: str, names: tuple[str, str], part: Segment | AnnotationArea, video_seconds: float, overhang: float
) -> Iterator[FieldError]:
    """Times must be within the video; the end may be `overhang` seconds behind it."""
    start, end = (getattr(part, name) for name in names)
    lasts = f"the video lasts {format_seconds(round(video_seconds, 3))}"
    if start >= video_seconds:
        yield FieldError(f"{path}.{names[0]}", f"is {format_seconds(start)}, but {lasts}", ProblemCode.OUTSIDE_MEDIA)
    if _exceeds(end - video_seconds, overhang):
        yield FieldError(f"{path}.{names[1]}", f"is {format_seconds(end)}, but {lasts}", ProblemCode.OUTSIDE_MEDIA)


def _remaining_length_errors(path: str, segment: Segment, sent: Segment, limits: LimitSettings) -> Iterator[FieldError]:
    """A segment whose end was moved must keep the minimum length."""
    left, least = to_microseconds(sent.endTime - sent.startTime), limits.min_segment_seconds
    if sent.endTime < segment.endTime and left < least:
        remainder = format_seconds(left) if left > 0 else "nothing"
        yield FieldError(
            f"{path}.endTime",
            f"is {format_seconds(segment.endTime)}, but {_lip_sync_vendor()} accepts this segment only up to "
            f"{format_seconds(max(0.0, sent.endTime))}, a little before the video ends or the next segment begins: "
            "that "
            f"leaves {remainder} of it; the minimum is {format_seconds(least)}",
            ProblemCode.TOO_SHORT,
        )


def _crop_errors(
    path: str, segment: Segment, sent: Segment, audio_seconds: float, overhang: float
) -> Iterator[FieldError]:
    """A crop must be within its audio file, and not empty after its end was moved."""
    crop, usable = segment.audioInput, sent.audioInput.endTime
    if crop.startTime is None or usable is None:
        return
    beyond = crop_bounds_errors(path, segment, audio_seconds, end_tolerance=overhang)
    yield from beyond
    if not beyond and usable <= crop.startTime:
        lasts = _audio_length_text(segment, audio_seconds)
        most, name = format_seconds(max(0.0, usable)), "startTime" if crop.endTime is None else "endTime"
        message = f"leaves no audio: {_lip_sync_vendor()} accepts the audio only up to {most}, since {lasts}"
        yield FieldError(f"{path}.{name}", message, ProblemCode.OUTSIDE_MEDIA)


def crop_bounds_errors(
    path: str,
    segment: Segment,
    audio_seconds: float,
    *,
    start_tolerance: float = 0.0,
    end_tolerance: float,
    audio_name: str | None = None,
) -> list[FieldError]:
    """Ends of a crop that lie behind the end of its audio, by more than these seconds. `audio_name` is the client's
    name for the file, if it knows it by another one than the refId.
    """
    crop = segment.audioInput
    lasts = f"{_audio_length_text(segment, audio_seconds, audio_name)}; choose a part within it"
    problems = []
    if crop.startTime is not None and crop.startTime >= audio_seconds + start_tolerance:
        message = f"is {format_seconds(crop.startTime)}, but {lasts}"
        problems.append(FieldError(f"{path}.startTime", message, ProblemCode.OUTSIDE_MEDIA))
    if crop.endTime is not None and _exceeds(crop.endTime - audio_seconds, end_tolerance):
        message = f"is {format_seconds(crop.endTime)}, but {lasts}"
        problems.append(FieldError(f"{path}.endTime", message, ProblemCode.OUTSIDE_MEDIA))
    return problems


def _audio_length_text(segment: Segment, audio_seconds: float, audio_name: str | None = None) -> str:
    return f"the audio {audio_name or segment.audioInput.refId} lasts {format_seconds(round(audio_seconds, 3))}"


def _lip_sync_vendor() -> str:
    return display_name(ProviderSelection.current().lip_sync_provider)


def _exceeds(overhang: float, allowed: float) -> bool:
    """Without float noise."""
    return to_microseconds(overhang) > to_microseconds(allowed)


def _predicted_result_errors(
    request: JobRequest, video: VideoInfo, audio_seconds: Mapping[str, float], limits: LimitSettings
) -> Iterator[FieldError]:
    fitted = fit_segment_ends(request.segments, video.duration, audio_seconds, limits).segments
    timed = segment_audio(fitted, audio_seconds, video.duration)
    mode = request.options.sync_mode
    for index, clip in enumerate(timed):
        if mode != "silence" and clip.audio_seconds * video.frame_rate < 1:
            path = f"segments[{index}].audioInput" if fitted else "audio[0].source"
            span = f"from {format_seconds(clip.start)} to {format_seconds(clip.end)}"
            message = f"is shorter than one frame: nothing of the segment {span} would be left"
            if not fitted:
                message = "is shorter than one frame: nothing of the video would be left"
            yield FieldError(path, message, ProblemCode.TOO_SHORT)
    length = predict_timeline(video.duration, timed, mode).result_duration
    if request.stages == (Stage.LIP_SYNC, Stage.TEXT_REMOVAL) and length > limits.inpaint_max_seconds:
        most = f"text removal accepts at most {format_seconds(limits.inpaint_max_seconds)}"
        message = f"the lip-sync result will be about {format_seconds(round(length, 1))} long; {most}"
        yield FieldError(_text_removal_field(request), message, ProblemCode.TOO_LONG)


def _text_removal_field(request: JobRequest) -> str:
    """The field that asks for text removal."""
    return "effects" if request.effects else "text_removal"


def _format_mb(size: int) -> str:
    return f"{size / MB:.1f} MB"
