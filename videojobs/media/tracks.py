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
_USUAL_PIXELS: Final = 4096 * 2304  # what a picture may grow to in the middle, as in calls, without having said so
_BLOCKS: Final = 1.1  # codecs round up to whole blocks: 2160 lines are 2176 to them
_DECODER_THREADS: Final = 4  # more would only cost memory: other jobs share the machine


def check_sizes(container: InputContainer, most_pixels: int) -> None:
    """Looks at the pictures' sizes before any is decoded, and tells each decoder its limit. Raises InvalidMedia."""
    for track in container.streams.video:
        if track.codec_context is None or track.disposition & Disposition.attached_pic:
            continue
        width, height = track.codec_context.width, track.codec_context.height
        if width * height > most_pixels:
            raise InvalidMedia(
                f"the picture has {width} x {height} pixels, and {most_pixels:,} in all are the most; make it smaller"
            )
        room = min(max(width * height, _USUAL_PIXELS), most_pixels)
        track.codec_context.options = {"max_pixels": str(round(room * _BLOCKS))}


def picture_of(container: InputContainer) -> VideoStream | None:
    """The picture track that players show. A song's cover is none. Raises InvalidMedia."""
    best = container.streams.best("video")
    if not isinstance(best, VideoStream) or best.disposition & Disposition.attached_pic:
        return None
    if best.codec_context is None:
        raise InvalidMedia("the picture is encoded in a way that cannot be read here; convert it to H.264")
    return best


def sound_of(container: InputContainer) -> AudioStream | None:
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


def with_threads(track: VideoStream | AudioStream, most: int = _DECODER_THREADS) -> None:
    """Lets several threads decode it; each holds a picture, so for very large ones there is a single one."""
    context = track.codec_context
    is_large = isinstance(track, VideoStream) and track.codec_context.width * track.codec_context.height > _USUAL_PIXELS
    context.thread_type, context.thread_count = type(context.thread_type).AUTO, 1 if is_large else most


def aspect_of(track: VideoStream) -> float:
    """Width of a pixel in its heights: what the container says, else the pictures, once one of them is decoded."""
    said: Fraction | None = track.sample_aspect_ratio or track.codec_context.sample_aspect_ratio
    return float(said or 1)
