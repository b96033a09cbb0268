"""Chooses the tracks to decode, and limits their memory. No other tracks are ever decoded.

A file is opened without decoders (`videojobs.media.decoding`), so before its first frame only the container describes
a track. If the container is wrong, the decoder's own limit applies.
"""

from fractions import Fraction
from typing import Final

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from videojobs.errors import InvalidMedia

MAX_PIXELS: Final = 8192 * 4320  # 8K; decoding a small file with more would fill the memory
_BASELINE_PIXELS: Final = 4096 * 2304  # a frame may grow to this size without a declaration, as in calls
_BLOCK_ROUNDING: Final = 1.1  # codecs round up to whole blocks: 2160 lines become 2176
_DECODER_THREADS: Final = 4  # more would only cost memory: other jobs share the machine


def limit_frame_sizes(container: InputContainer, max_pixels: int) -> None:
    """Check the frame size before decoding, and set each decoder's limit. Raises InvalidMedia."""
    for track in container.streams.video:
        if track.codec_context is None or track.disposition & Disposition.attached_pic:
            continue
        width, height = track.codec_context.width, track.codec_context.height
        if width * height > max_pixels:
            raise InvalidMedia(
                f"the picture has {width} x {height} pixels; the maximum is {max_pixels:,} in all: make it smaller"
            )
        pixel_limit = min(max(width * height, _BASELINE_PIXELS), max_pixels)
        track.codec_context.options = {"max_pixels": str(round(pixel_limit * _BLOCK_ROUNDING))}


def video_track(container: InputContainer) -> VideoStream | None:
    """The video track that players show, which is never a song's cover. Raises InvalidMedia."""
    best = container.streams.best("video")
    if not isinstance(best, VideoStream) or best.disposition & Disposition.attached_pic:
        return None
    if best.codec_context is None:
        raise InvalidMedia("the video codec is not supported; convert it to H.264")
    return best


def audio_track(container: InputContainer) -> AudioStream | None:
    """The audio track that players choose; phones add others, some of which only the phone can decode.

    Raises InvalidMedia.
    """
    # FFmpeg chooses no track with a still unknown channel count, such as FLAC in Ogg.
    best = container.streams.best("audio") or next(iter(container.streams.audio), None)
    if not isinstance(best, AudioStream):
        return None
    if best.codec_context is None:
        raise InvalidMedia("the audio codec is not supported; convert it to AAC")
    return best


def set_decoder_threads(track: VideoStream | AudioStream, max_threads: int = _DECODER_THREADS) -> None:
    """Decode in several threads, or in one for very large frames, since each thread holds a frame."""
    context = track.codec_context
    is_large = (
        isinstance(track, VideoStream) and track.codec_context.width * track.codec_context.height > _BASELINE_PIXELS
    )
    context.thread_type, context.thread_count = type(context.thread_type).AUTO, 1 if is_large else max_threads


def pixel_aspect_ratio(track: VideoStream) -> float:
    """A pixel's width divided by its height, from the container, else from the first decoded frame."""
    ratio: Fraction | None = track.sample_aspect_ratio or track.codec_context.sample_aspect_ratio
    return float(ratio or 1)
