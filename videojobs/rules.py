"""Rules that need facts of the media: checked after probing, before anything is uploaded or paid for.

Segments have been sorted by then, so a message names its times: their number may differ from the client's.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from videojobs.errors import Problem
from videojobs.fitting import fit
from videojobs.request import AnnotationArea, JobRequest, Segment, to_microseconds
from videojobs.settings import Limits
from videojobs.timeline import clips, predict
from videojobs.wording import as_seconds

MB: Final = 1_000_000
# Seconds by which an area may end behind the picture: "to the end" of an editor is that of the sound, which may go on
# for so long (`videojobs.media.probe.ALONE`). There is nothing to be wiped, so nothing is sent of it.
AREA_OVERHANG: Final = 2.0


class FileFacts(Protocol):
    """What the rules need to know of any file. Sizes are in bytes, durations in seconds."""

    @property
    def container(self) -> str:
        """Its everyday name: mp4, mov, wav ..."""

    @property
    def size(self) -> int: ...
    @property
    def duration(self) -> float: ...


class PictureFacts(FileFacts, Protocol):
    """What they need to know of a video, beside: pixels as shown, and frames per second."""

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def frame_rate(self) -> float: ...


def check_media(
    request: JobRequest, video: PictureFacts, audio: Mapping[str, FileFacts], limits: Limits
) -> list[Problem]:
    """Every broken rule. `audio` has the facts of each audio file by its refId."""
    problems = [*_video(video, limits)]
    for index, item in enumerate(request.audio):
        problems += _audio(f"audio[{index}].source", audio[item.refId], limits)
    lengths = {ref_id: facts.duration for ref_id, facts in audio.items()}
    problems += check_segments(request, video.duration, video.frame_rate, lengths, limits)
    for index, area in enumerate(request.effects):
        problems += _within(f"effects[{index}]", ("start", "end"), area, video.duration, AREA_OVERHANG)
    # What the lip-sync result will be like can only be told of times that make sense.
    return problems or [*_prediction(request, video, lengths, limits)]


def check_segments(
    request: JobRequest, video_seconds: float, frame_rate: float, audio_seconds: Mapping[str, float], limits: Limits
) -> list[Problem]:
    """Every segment and crop that does not lie in its file, or of which too little is left as it is sent.

    Asked again before Sync.so is paid: the margin or the gap may be larger by then. `audio_seconds` by refId.
    """
    problems: list[Problem] = []
    fitted = fit(request.segments, video_seconds, audio_seconds, limits)
    overhang = limits.end_margin_seconds + 1 / frame_rate  # more is no matter of measuring: it is a mistake
    for index, (segment, sent) in enumerate(zip(request.segments, fitted.segments, strict=True)):
        path = f"segments[{index}]"
        misplaced = [*_within(path, ("startTime", "endTime"), segment, video_seconds, overhang)]
        problems += misplaced or [*_remainder(path, segment, sent, limits)]
        problems += _crop(f"{path}.audioInput", segment, sent, audio_seconds[segment.audioInput.refId], overhang)
    return problems


def check_result(video: FileFacts, limits: Limits) -> list[Problem]:
    """Whether a lip-sync result may go on to text removal, by its measured length and size."""
    problems = []
    if video.duration > limits.inpaint_max_seconds:
        length, most = as_seconds(round(video.duration, 3)), as_seconds(limits.inpaint_max_seconds)
        problems.append(Problem("effects", f"text removal takes {most} at most; the result is {length} long"))
    if video.size >= limits.inpaint_max_bytes:
        size = f"{_mb(video.size)}; text removal takes less than {_mb(limits.inpaint_max_bytes)}"
        problems.append(Problem("effects", f"the lip-sync result has {size}"))
    return problems


def _video(video: PictureFacts, limits: Limits) -> Iterator[Problem]:
    yield from _container("video", video, limits.video_containers)
    yield from _amount("video", video, limits.max_video_seconds, limits.max_video_bytes)
    short, long = sorted((video.width, video.height))
    if long > limits.max_picture_long_side or short > limits.max_picture_short_side:
        most = f"{limits.max_picture_long_side} x {limits.max_picture_short_side}"
        yield Problem("video", f"has {video.width} x {video.height} pixels; at most {most} are possible")


def _audio(path: str, audio: FileFacts, limits: Limits) -> Iterator[Problem]:
    yield from _container(path, audio, limits.audio_containers)
    yield from _amount(path, audio, limits.max_audio_seconds, limits.max_audio_bytes)


def _container(path: str, file: FileFacts, allowed: frozenset[str]) -> Iterator[Problem]:
    if file.container not in allowed:
        yield Problem(path, f"is a {file.container} file; convert it to one of {', '.join(sorted(allowed))}")


def _amount(path: str, file: FileFacts, most_seconds: float, most_bytes: int) -> Iterator[Problem]:
    if file.duration > most_seconds:
        length, most = as_seconds(round(file.duration, 3)), as_seconds(most_seconds)
        yield Problem(path, f"is {length} long; at most {most} are allowed")
    if file.size > most_bytes:
        yield Problem(path, f"has {_mb(file.size)}; at most {_mb(most_bytes)} are allowed")


def _within(
    path: str, names: tuple[str, str], part: Segment | AnnotationArea, video_seconds: float, overhang: float
) -> Iterator[Problem]:
    """Times within the video. The end may lie `overhang` seconds behind it."""
    start, end = (getattr(part, name) for name in names)
    lasts = f"the video lasts {as_seconds(round(video_seconds, 3))}"
    if start >= video_seconds:
        yield Problem(f"{path}.{names[0]}", f"is {as_seconds(start)}, but {lasts}")
    if _is_more(end - video_seconds, overhang):
        yield Problem(f"{path}.{names[1]}", f"is {as_seconds(end)}, but {lasts}")


def _remainder(path: str, segment: Segment, sent: Segment, limits: Limits) -> Iterator[Problem]:
    """What is left of a segment whose end is moved."""
    left, least = to_microseconds(sent.endTime - sent.startTime), limits.min_segment_seconds
    if sent.endTime < segment.endTime and left < least:
        remainder = as_seconds(left) if left > 0 else "nothing"
        yield Problem(
            f"{path}.endTime",
            f"is {as_seconds(segment.endTime)}, but Sync.so takes this segment only to "
            f"{as_seconds(max(0.0, sent.endTime))}, a little before the video ends or the next segment begins: that "
            f"leaves {remainder} of it; the shortest that makes sense is {as_seconds(least)}",
        )


def _crop(path: str, segment: Segment, sent: Segment, audio_seconds: float, overhang: float) -> Iterator[Problem]:
    """The part of the audio lies within it, and something is left where its end is moved."""
    crop, usable = segment.audioInput, sent.audioInput.endTime
    if crop.startTime is None or usable is None:
        return
    lasts = f"the audio {crop.refId} lasts {as_seconds(round(audio_seconds, 3))}"
    if crop.startTime >= audio_seconds:
        yield Problem(f"{path}.startTime", f"is {as_seconds(crop.startTime)}, but {lasts}")
    if crop.endTime is not None and _is_more(crop.endTime - audio_seconds, overhang):
        yield Problem(f"{path}.endTime", f"is {as_seconds(crop.endTime)}, but {lasts}")
    elif crop.startTime < audio_seconds and usable <= crop.startTime:
        most, name = as_seconds(max(0.0, usable)), "startTime" if crop.endTime is None else "endTime"
        message = f"leaves nothing of the part: Sync.so takes the audio only to {most}, since {lasts}"
        yield Problem(f"{path}.{name}", message)


def _is_more(overhang: float, allowed: float) -> bool:
    """Without float noise."""
    return to_microseconds(overhang) > to_microseconds(allowed)


def _prediction(
    request: JobRequest, video: PictureFacts, audio_seconds: Mapping[str, float], limits: Limits
) -> Iterator[Problem]:
    timed = clips(fit(request.segments, video.duration, audio_seconds, limits).segments, audio_seconds)
    mode = request.options.sync_mode
    for index, clip in enumerate(timed):
        if mode != "silence" and clip.audio_seconds * video.frame_rate < 1:
            span = f"from {as_seconds(clip.start)} to {as_seconds(clip.end)}"
            message = f"is shorter than one frame: nothing of the segment {span} would be left"
            yield Problem(f"segments[{index}].audioInput", message)
    length = predict(video.duration, timed, mode).result_duration
    if request.effects and length > limits.inpaint_max_seconds:
        most = f"text removal takes {as_seconds(limits.inpaint_max_seconds)} at most"
        message = f"the lip-sync result will be about {as_seconds(round(length, 1))} long; {most}"
        yield Problem("effects", message)


def _mb(size: int) -> str:
    return f"{size / MB:.1f} MB"
