"""What a media file is, found out by decoding all of it; what is cut off, damaged or something else is refused.

This is CPU work on whole files (0.13 s per 10 s of 720p): call it in a thread. Messages are for the person who sent
the file and never name its location.
"""

import math
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from videojobs.errors import InvalidMedia
from videojobs.media.decoding import Decoded, Media, decode, opened
from videojobs.media.joined import JOINED
from videojobs.media.tracks import MAX_PIXELS, aspect_of, picture_of, sound_of

VIDEO_CONTAINERS: Final = frozenset({"mp4", "mov", "webm", "avi"})  # Sync.so 8
AUDIO_CONTAINERS: Final = frozenset({"wav", "mp3", "ogg", "flac", "mp4"})  # Sync.so 8; ALAC and M4A are MP4 inside

WHOLE: Final = 0.98  # of what is declared has to be there; containers round at the ends (platform facts, "Media")
CODEC_DELAY: Final = 0.1  # seconds that sound codecs add or drop at the ends; much in a clip of a second
HOLE: Final = 0.015  # seconds; the shortest piece of a sound is 20 ms, and times are rounded
LATE: Final = 0.2  # seconds; recorders and muxers shift the first picture a little
LATE_FRAMES: Final = 3  # or by so many frames, which encoders put in another order
ALONE: Final = 2.0  # seconds of sound behind the last picture; recorders and cutting programs leave one or so


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """A video that decodes from end to end."""

    duration: float  # seconds, of the picture track
    width: int  # pixels as displayed: turned upright, with square pixels
    height: int
    frame_rate: float  # frames per second, the average where it varies
    frames: int
    has_audio: bool
    container: str  # `mp4`, `mov`, `webm`, `avi`
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """A sound file that decodes from end to end."""

    duration: float  # seconds, as decoded
    sample_rate: int  # Hz
    channels: int
    codec: str  # FFmpeg's name: `aac`, `pcm_s16le`
    container: str  # `wav`, `mp3`, `ogg`, `flac`, `mp4`
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Playing:
    """What a player does with a video: it starts with the first of its tracks, and stops with the last one."""

    video: VideoFacts
    sound_before: float  # seconds before the first picture; 0 where they are no more than encoders leave at the ends
    sound_after: float  # seconds behind the last picture, which stands meanwhile; 0 likewise

    @property
    def seconds(self) -> float:
        """From where the first track begins to where the last one ends."""
        return self.sound_before + self.video.duration + self.sound_after


def inspect_video(
    source: Path | BinaryIO,
    *,
    containers: AbstractSet[str] = VIDEO_CONTAINERS,
    longest: float = math.inf,
    most_pixels: int = MAX_PIXELS,
) -> VideoFacts:
    """Decodes picture and sound of a video. Raises `InvalidMedia`, which says what is wrong and what to do.

    A file that declares more than `longest` seconds is refused before it is decoded, which could take hours; one with
    more than `most_pixels`, too, which could take gigabytes.
    """
    return inspect_playing(source, containers=containers, longest=longest, most_pixels=most_pixels).video


def inspect_source_video(
    source: Path | BinaryIO,
    *,
    containers: AbstractSet[str] = VIDEO_CONTAINERS,
    longest: float = math.inf,
    most_pixels: int = MAX_PIXELS,
) -> VideoFacts:
    """As `inspect_video`, for a video of which people name seconds that vendors are to find.

    People count from where a player starts, and vendors work on pictures: `InvalidMedia` where these are not the same.
    """
    playing = inspect_playing(source, containers=containers, longest=longest, most_pixels=most_pixels)
    if playing.sound_before > max(LATE, LATE_FRAMES / playing.video.frame_rate):
        raise InvalidMedia(
            f"its sound begins {playing.sound_before:.1f} s before its picture, so it is not sure which times are"
            " meant; cut off what comes before the first picture, or export it with a picture from the start"
        )
    if playing.sound_after > ALONE:
        raise InvalidMedia(
            f"its picture ends at {playing.seconds - playing.sound_after:.1f} s, but its sound goes on until"
            f" {playing.seconds:.1f} s; export it with a constant frame rate, which has pictures up to the end, or cut"
            " off the sound"
        )
    return playing.video


def inspect_playing(
    source: Path | BinaryIO,
    *,
    containers: AbstractSet[str] = VIDEO_CONTAINERS,
    longest: float = math.inf,
    most_pixels: int = MAX_PIXELS,
) -> Playing:
    """As `inspect_video`, with what its sound does while there is no picture."""
    with opened(source, most_pixels) as media:
        picture, sound = picture_of(media.container), sound_of(media.container)
        if picture is None:
            raise InvalidMedia("there is no moving picture in the file; choose a video")
        _check_before_decoding(media, containers, longest)
        seen, *heard = decode(media, [picture, sound] if sound else [picture], longest)
        end_of_all = max(track.end for track in (seen, *heard)) - media.start
        duration = _picture_seconds(media, picture, seen, end_of_all)
        if sound:
            _sound_seconds(media, sound, heard[0])
        width, height = _displayed(picture, seen)
        facts = VideoFacts(
            duration=duration,
            width=width,
            height=height,
            frame_rate=float(picture.average_rate or 0) or seen.frames / duration,
            frames=seen.frames,
            has_audio=sound is not None,
            container=media.format,
            size=media.size,
        )
        return Playing(facts, *_sound_alone(seen, heard))


def inspect_audio(
    source: Path | BinaryIO,
    *,
    containers: AbstractSet[str] = AUDIO_CONTAINERS,
    longest: float = math.inf,
) -> AudioFacts:
    """Decodes a sound file. Raises `InvalidMedia`, which says what is wrong and what to do; `longest` as for videos."""
    with opened(source) as media:
        sound = sound_of(media.container)
        if sound is None:
            raise InvalidMedia("there is no sound in the file; choose a sound file")
        _check_before_decoding(media, containers, longest)
        [heard] = decode(media, [sound], longest)
        _check_form(heard)
        return AudioFacts(
            duration=_sound_seconds(media, sound, heard),
            sample_rate=sound.sample_rate,
            channels=sound.channels,
            codec=sound.codec_context.codec.canonical_name,
            container=media.format,
            size=media.size,
        )


def _check_before_decoding(media: Media, containers: AbstractSet[str], longest: float) -> None:
    if media.format not in containers:
        names = ", ".join(sorted(name.upper() for name in containers))
        raise InvalidMedia(f"this is {media.format.upper()}, which is not taken here; convert it to one of {names}")
    if media.declared * WHOLE > longest:  # a little more may be the sound's, which ends as it likes
        raise InvalidMedia(f"it is {media.declared:.0f} s long, and {longest:.0f} s is the limit; cut it")


def _picture_seconds(media: Media, picture: VideoStream, seen: Decoded, end_of_all: float) -> float:
    """Length of the picture in seconds, if it is whole."""
    if not seen.frames:
        raise InvalidMedia("no frame of the picture can be decoded; export it again")
    declared = _declared(media, picture)
    rate = float(picture.average_rate or 0)
    shown = seen.end - seen.start if seen.start is not None else seen.frames / rate if rate else 0.0
    if not shown > 0 or not (declared or media.declared):
        raise InvalidMedia("the file does not say how long it is; export it again")
    # WebM declares one length for all its tracks, of which the longest has to reach it.
    reached, wanted = (shown, declared) if declared else (end_of_all, media.declared)
    indexed = media.format in ("mp4", "mov")  # every frame is listed
    expected = len(picture.index_entries) - seen.left_out if indexed else round(wanted * rate)
    if reached < WHOLE * wanted - CODEC_DELAY or seen.cut:
        raise InvalidMedia(
            f"the file ends in the middle: {seen.frames} of {expected} frames could be decoded; export it again"
        )
    if seen.damaged or (indexed and seen.frames < WHOLE * expected):
        lost = max(seen.damaged, expected - seen.frames)
        raise InvalidMedia(
            f"the picture is damaged: {lost} of {max(expected, seen.frames)} frames cannot be decoded; export it again"
        )
    if seen.begins_again:
        raise InvalidMedia(JOINED)
    return declared if abs(declared - shown) <= (1 - WHOLE) * shown else shown


def _sound_alone(seen: Decoded, heard: list[Decoded]) -> tuple[float, float]:
    """Seconds of sound before the first picture and behind the last one."""
    if seen.start is None or not heard or heard[0].start is None:
        return 0.0, 0.0
    before, after = seen.start - heard[0].start, heard[0].end - seen.end
    return before if before > CODEC_DELAY else 0.0, after if after > CODEC_DELAY else 0.0


def _check_form(heard: Decoded) -> None:
    """Raises InvalidMedia where the sound takes another form: its length is not sure then, and vendors fail at it.

    For a moment it may: some AAC tells its form only behind its first pieces.
    """
    others = sum(heard.forms.values()) - max(heard.forms.values(), default=0.0)
    if others > CODEC_DELAY:
        forms = " and ".join(sorted(heard.forms))
        raise InvalidMedia(f"the sound changes in the middle ({forms}): convert it to one form, and export it again")


def _sound_seconds(media: Media, sound: AudioStream, heard: Decoded) -> float:
    """Length of the sound in seconds, if it is whole."""
    if not heard.samples:
        raise InvalidMedia("no sound can be decoded; export it again")
    seconds = heard.samples / sound.sample_rate
    declared = _declared(media, sound)
    # Without its encoder's tag, seen as a start offset, the length of an MP3 is only guessed from its bit rate.
    guessed = media.format == "mp3" and not sound.start_time
    # FLAC and Ogg tell when each piece is heard, and FFmpeg leaves out one with a wrong checksum without a word.
    hole = media.format in ("flac", "ogg") and heard.end - (heard.start or 0) - seconds > HOLE
    late = max(0.0, (heard.start or 0.0) - media.start)
    short = not guessed and late + seconds < WHOLE * declared - CODEC_DELAY
    cut = short or media.cut or heard.cut
    # A FLAC says at its start how long it is, and some readers stop there.
    longer = media.format == "flac" and 0 < declared < WHOLE * seconds - CODEC_DELAY
    if heard.begins_again or longer:
        raise InvalidMedia(JOINED)
    if heard.damaged > cut or hole:  # a cut alone spoils one piece at most
        lost = max(1, heard.damaged)
        raise InvalidMedia(f"the sound is damaged: {lost} of {heard.packets} pieces cannot be decoded; export it again")
    if cut:
        raise InvalidMedia(f"the sound ends in the middle: {seconds:.1f} s of it can be decoded; export it again")
    return seconds


def _declared(media: Media, track: VideoStream | AudioStream) -> float:
    """The length in seconds that the file declares for a track; 0 where it declares none."""
    if media.format == "avi" and isinstance(track, VideoStream) and track.average_rate:
        return float(track.frames / track.average_rate)  # FFmpeg fits the duration of a cut-off AVI to what is there
    if media.format in ("webm", "mkv"):
        return 0.0  # one length is for all tracks, and FFmpeg takes it for the picture's where that has few frames
    return float(track.duration * track.time_base) if track.duration and track.time_base else 0.0


def _displayed(picture: VideoStream, seen: Decoded) -> tuple[int, int]:
    """Width and height on the screen."""
    width = round(seen.width * aspect_of(picture))
    return (seen.height, width) if seen.rotation % 180 else (width, seen.height)
