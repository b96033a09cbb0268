"""Renders a generation's video: reordered frames with the new audio. No lip is redrawn."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from av.video.frame import VideoFrame

from deployments.local.emulators import video
from deployments.local.emulators.audio import AudioTrackWriter
from deployments.local.emulators.sync_so import media
from deployments.local.emulators.sync_so.errors import GenerationFailed
from deployments.local.emulators.video import CancelCheck, UndecodableMedia

CRF = 12  # finer than the vendor's 17: tests compare passed-through frames pixel by pixel


def render(check_cancelled: CancelCheck, spec: media.RenderSpec, target: Path) -> float:
    """Write the result and return its length in seconds. Raises GenerationFailed with the vendor's code."""
    decoded = media.decode_media(spec)
    check_cancelled()
    if decoded.source_info is None:
        source = video.read_frames(spec.visual, check_cancelled)
    else:
        source = video.read_constant_rate_frames(spec.visual, decoded.source_info, check_cancelled)
    try:
        _write(decoded, reorder_frames(source, decoded.frame_order), target)
    except UndecodableMedia as error:
        raise GenerationFailed("generation_input_video_invalid") from error
    return len(decoded.frame_order) / float(decoded.rate)


def reorder_frames(source: Iterator[VideoFrame], order: Sequence[int]) -> Iterator[VideoFrame]:
    """The source's frames in the given order; each is released after its last use."""
    last_use = {number: position for position, number in enumerate(order)}
    held: dict[int, VideoFrame] = {}
    arriving = enumerate(source)
    for position, wanted in enumerate(order):
        while wanted not in held:
            number, picture = next(arriving)
            if last_use.get(number, -1) >= position:
                held[number] = picture
        yield held.pop(wanted) if last_use[wanted] == position else held[wanted]


def _write(decoded: media.DecodedMedia, pictures: Iterator[VideoFrame], target: Path) -> None:
    first = next(pictures, None)
    if first is None:
        raise UndecodableMedia("nothing is left to show")
    with video.open_mp4_writer(target) as film:
        aspect = decoded.source_info.pixel_aspect if decoded.source_info else video.SQUARE_PIXELS
        track = video.add_video_track(film, first, decoded.rate, CRF, aspect)
        audio = AudioTrackWriter(film, decoded.samples)
        for number, picture in enumerate(chain([first], pictures)):
            picture.pts, picture.time_base = number, 1 / decoded.rate
            film.mux(track.encode(picture))
            audio.write_until(float(number / decoded.rate))
        film.mux(track.encode(None))
        audio.close()
