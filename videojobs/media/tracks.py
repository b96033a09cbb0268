"""Which tracks of an open file are decoded, and how much room they get. Nobody decodes one that is not from here.

A file is opened without any decoder (`videojobs.media.decoding`), so what is known of a track before its first frame
is what the container says. Where that is wrong, the decoder's own limit holds.
"""

from fractions import Fraction
from typing import Final

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from videojobs.errors import InvalidMedia

MAX_PIXELS: Final = 8192 * 4320  # 8K; a small file that holds more would fill the memory while it is decoded
_BASELINE_PIXELS: Final = 4096 * 2304  # what a picture may grow to in the middle, as in calls, without having said so
_BLOCK_ROUNDING: Final = 1.1  # codecs round up to whole blocks: 2160 lines are 2176 to them
_DECODER_THREADS: Final = 4  # more would only cost memory: other jobs share the machine


def limit_frame_sizes(container: InputContainer, max_pixels: int) -> None:
    """Looks at the pictures' sizes before any is decoded, and tells each decoder its limit. Raises InvalidMedia."""
    for track in container.streams.video:
        if track.codec_context is None or track.disposition & Disposition.attached_pic:
            continue
        width, height = track.codec_context.width, track.codec_context.height
        if width * height > max_pixels:
            raise InvalidMedia(
                f"the picture has {width} x {height} pixels, and {max_pixels:,} in all are the most; make it smaller"
            )
        pixel_limit = min(max(width * height, _BASELINE_PIXELS), max_pixels)
        track.codec_context.options = {"max_pixels": str(round(pixel_limit * _BLOCK_ROUNDING))}


def video_track(container: InputContainer) -> VideoStream | None:
    """The picture track that players show. A song's cover is none. Raises InvalidMedia."""
    best = container.streams.best("video")
    if not isinstance(best, VideoStream) or best.disposition & Disposition.attached_pic:
        return None
    if best.codec_context is None:
        raise InvalidMedia("the picture is encoded in a way that cannot be read here; convert it to H.264")
    return best


def audio_track(container: InputContainer) -> AudioStream | None:
    """The sound track that players choose; phones add others, some of which only the phone itself can decode.

    Raises InvalidMedia.
    """
    # FFmpeg chooses none of which it does not know the channels yet, as of a FLAC inside an Ogg.
    best = container.streams.best("audio") or next(iter(container.streams.audio), None)
    if not isinstance(best, AudioStream):
        return None
    if best.codec_context is None:
        raise InvalidMedia("the sound is encoded in a way that cannot be read here; convert it to AAC")
    return best


def set_decoder_threads(track: VideoStream | AudioStream, max_threads: int = _DECODER_THREADS) -> None:
    """Lets several threads decode it; each holds a picture, so for very large ones there is a single one."""
    context = track.codec_context
    is_large = (
        isinstance(track, VideoStream) and track.codec_context.width * track.codec_context.height > _BASELINE_PIXELS
    )
    context.thread_type, context.thread_count = type(context.thread_type).AUTO, 1 if is_large else max_threads


def pixel_aspect_ratio(track: VideoStream) -> float:
    """Width of a pixel in its heights: what the container says, else the pictures, once one of them is decoded."""
    ratio: Fraction | None = track.sample_aspect_ratio or track.codec_context.sample_aspect_ratio
    return float(ratio or 1)
