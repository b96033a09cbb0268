"""Probes a media file by decoding all of it; rejects truncated, damaged and unsuitable files.

This is CPU work on whole files (0.13 s per 10 s of 720p): call it in a thread. Messages are for the client
who sent the file, and never contain its location.
"""

import math
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from videojobs.errors import InvalidMedia
from videojobs.media.concatenated_files import CONCATENATED_MESSAGE
from videojobs.media.decoding import DecodeStats, MediaFile, decode, open_media
from videojobs.media.facts import AudioFacts, VideoFacts
from videojobs.media.tracks import MAX_PIXELS, audio_track, pixel_aspect_ratio, video_track

VIDEO_CONTAINERS: Final = frozenset({"mp4", "mov", "webm", "avi"})  # Sync.so 8
AUDIO_CONTAINERS: Final = frozenset({"wav", "mp3", "ogg", "flac", "mp4"})  # Sync.so 8; ALAC and M4A are MP4 inside

COMPLETE_RATIO: Final = (
    0.98  # of the declared length must exist; containers round at the ends (platform facts, "Media")
)
CODEC_DELAY: Final = 0.1  # seconds that audio codecs add or drop at the ends; significant in a clip of one second
MAX_GAP: Final = 0.015  # seconds; the shortest audio packet is 20 ms, and times are rounded
MAX_AUDIO_LEAD: Final = 0.2  # seconds; recorders and muxers shift the first frame a little
MAX_AUDIO_LEAD_FRAMES: Final = 3  # or by this number of frames, which encoders reorder
MAX_AUDIO_TAIL: Final = 2.0  # seconds of audio after the last frame; recorders and editors leave about one


@dataclass(frozen=True, slots=True)
class Playback:
    """How a player plays a video: from the start of the first track to the end of the last one."""

    video: VideoFacts
    audio_lead_seconds: float  # seconds before the first frame; 0 within the usual encoder delay
    audio_tail_seconds: float  # seconds after the last frame, which stays on screen; 0 likewise

    @property
    def total_seconds(self) -> float:
        """From the start of the first track to the end of the last one."""
        return self.audio_lead_seconds + self.video.duration + self.audio_tail_seconds


def probe_video(
    source: Path | BinaryIO,
    *,
    containers: AbstractSet[str] = VIDEO_CONTAINERS,
    max_seconds: float = math.inf,
    max_pixels: int = MAX_PIXELS,
) -> VideoFacts:
    """Decode picture and audio of a video. Raises `InvalidMedia` with the cause and what to do.

    A file that declares more seconds than the limit is rejected before it is decoded, which could take hours; so is one
    with more pixels than the limit, which could take gigabytes.
    """
    return probe_playback(source, containers=containers, max_seconds=max_seconds, max_pixels=max_pixels).video


def probe_source_video(
    source: Path | BinaryIO,
    *,
    containers: AbstractSet[str] = VIDEO_CONTAINERS,
    max_seconds: float = math.inf,
    max_pixels: int = MAX_PIXELS,
) -> VideoFacts:
    """As `probe_video`, for a video with times that a client gives and a vendor applies.

    Clients count from a player's start, vendors from the first frame: InvalidMedia if these differ.
    """
    playback = probe_playback(source, containers=containers, max_seconds=max_seconds, max_pixels=max_pixels)
    if playback.audio_lead_seconds > max(MAX_AUDIO_LEAD, MAX_AUDIO_LEAD_FRAMES / playback.video.frame_rate):
        raise InvalidMedia(
            f"its audio begins {playback.audio_lead_seconds:.1f} s before its first frame, so times are ambiguous; "
            "cut off the audio before the first frame, or export it with frames from the start"
        )
    if playback.audio_tail_seconds > MAX_AUDIO_TAIL:
        raise InvalidMedia(
            f"its last frame ends at {playback.total_seconds - playback.audio_tail_seconds:.1f} s, but its audio at "
            f"{playback.total_seconds:.1f} s; export it with a constant frame rate, which has frames up to the end, "
            "or cut off the audio"
        )
    return playback.video


def probe_playback(
    source: Path | BinaryIO,
    *,
    containers: AbstractSet[str] = VIDEO_CONTAINERS,
    max_seconds: float = math.inf,
    max_pixels: int = MAX_PIXELS,
) -> Playback:
    """As `probe_video`, with the audio before and after the picture."""
    with open_media(source, max_pixels) as media:
        picture, sound = video_track(media.container), audio_track(media.container)
        if picture is None:
            raise InvalidMedia("the file has no video track; choose a video")
        _check_declared(media, containers, max_seconds)
        video_stats, *audio_stats = decode(media, [picture, sound] if sound else [picture], max_seconds)
        end_of_all = max(track.end for track in (video_stats, *audio_stats)) - media.start
        duration = _video_duration(media, picture, video_stats, end_of_all)
        if sound:
            _audio_duration(media, sound, audio_stats[0])
        width, height = _display_size(picture, video_stats)
        facts = VideoFacts(
            duration=duration,
            width=width,
            height=height,
            frame_rate=float(picture.average_rate or 0) or video_stats.frames / duration,
            frames=video_stats.frames,
            has_audio=sound is not None,
            container=media.format,
            size=media.size,
        )
        return Playback(facts, *_audio_overhang(video_stats, audio_stats))


def probe_audio(
    source: Path | BinaryIO,
    *,
    containers: AbstractSet[str] = AUDIO_CONTAINERS,
    max_seconds: float = math.inf,
) -> AudioFacts:
    """Decode an audio file. Raises `InvalidMedia` with the cause and what to do; limits as for videos."""
    with open_media(source) as media:
        sound = audio_track(media.container)
        if sound is None:
            raise InvalidMedia("the file has no audio track; choose an audio file")
        _check_declared(media, containers, max_seconds)
        [stats] = decode(media, [sound], max_seconds)
        _check_audio_format(stats)
        return AudioFacts(
            duration=_audio_duration(media, sound, stats),
            sample_rate=sound.sample_rate,
            channels=sound.channels,
            codec=sound.codec_context.codec.canonical_name,
            container=media.format,
            size=media.size,
        )


def _check_declared(media: MediaFile, containers: AbstractSet[str], max_seconds: float) -> None:
    if media.format not in containers:
        names = ", ".join(sorted(name.upper() for name in containers))
        raise InvalidMedia(f"{media.format.upper()} files are not accepted; convert it to one of {names}")
    if (
        media.declared_seconds * COMPLETE_RATIO > max_seconds
    ):  # a small excess may be the audio's, which has no fixed end
        raise InvalidMedia(f"it is {media.declared_seconds:.0f} s long; the limit is {max_seconds:.0f} s: shorten it")


def _video_duration(media: MediaFile, picture: VideoStream, stats: DecodeStats, end_of_all: float) -> float:
    """Length of the picture in seconds, if it is complete."""
    if not stats.frames:
        raise InvalidMedia("no video frame can be decoded; export the file again")
    declared = _declared_duration(media, picture)
    rate = float(picture.average_rate or 0)
    shown = stats.end - stats.start if stats.start is not None else stats.frames / rate if rate else 0.0
    if not shown > 0 or not (declared or media.declared_seconds):
        raise InvalidMedia("the file does not declare its length; export it again")
    # WebM declares one length for all tracks; the longest track must reach it.
    reached_seconds, expected_seconds = (shown, declared) if declared else (end_of_all, media.declared_seconds)
    indexed = media.format in ("mp4", "mov")  # the index lists every frame
    expected = len(picture.index_entries) - stats.hidden_packets if indexed else round(expected_seconds * rate)
    if reached_seconds < COMPLETE_RATIO * expected_seconds - CODEC_DELAY or stats.truncated:
        raise InvalidMedia(
            f"the file is truncated: {stats.frames} of {expected} frames could be decoded; export it again"
        )
    if stats.damaged or (indexed and stats.frames < COMPLETE_RATIO * expected):
        lost = max(stats.damaged, expected - stats.frames)
        raise InvalidMedia(
            f"the video is damaged: {lost} of {max(expected, stats.frames)} frames cannot be decoded; export it again"
        )
    if stats.timestamps_restart:
        raise InvalidMedia(CONCATENATED_MESSAGE)
    return declared if abs(declared - shown) <= (1 - COMPLETE_RATIO) * shown else shown


def _audio_overhang(video_stats: DecodeStats, audio_stats: list[DecodeStats]) -> tuple[float, float]:
    """Seconds of audio before the first frame and after the last one."""
    if video_stats.start is None or not audio_stats or audio_stats[0].start is None:
        return 0.0, 0.0
    before, after = video_stats.start - audio_stats[0].start, audio_stats[0].end - video_stats.end
    return before if before > CODEC_DELAY else 0.0, after if after > CODEC_DELAY else 0.0


def _check_audio_format(stats: DecodeStats) -> None:
    """Raises InvalidMedia if the audio format changes: then its length is unsure, and vendors fail.

    A short change is allowed: some AAC declares its format only after its first packets.
    """
    others = sum(stats.seconds_by_format.values()) - max(stats.seconds_by_format.values(), default=0.0)
    if others > CODEC_DELAY:
        formats = " and ".join(sorted(stats.seconds_by_format))
        raise InvalidMedia(
            f"the audio format changes within the file ({formats}); export it with one sample rate and channel layout"
        )


def _audio_duration(media: MediaFile, sound: AudioStream, stats: DecodeStats) -> float:
    """Length of the audio in seconds, if it is complete."""
    if not stats.samples:
        raise InvalidMedia("no audio can be decoded; export it again")
    seconds = stats.samples / sound.sample_rate
    declared = _declared_duration(media, sound)
    # Without its encoder's tag (a start offset), the length of an MP3 is only a guess from its bit rate.
    guessed = media.format == "mp3" and not sound.start_time
    # FLAC and Ogg packets have times, and FFmpeg silently drops one with a wrong checksum.
    has_gap = media.format in ("flac", "ogg") and stats.end - (stats.start or 0) - seconds > MAX_GAP
    late = max(0.0, (stats.start or 0.0) - media.start)
    short = not guessed and late + seconds < COMPLETE_RATIO * declared - CODEC_DELAY
    truncated = short or media.truncated or stats.truncated
    # A FLAC declares its length at its start, and some readers stop there.
    longer = media.format == "flac" and 0 < declared < COMPLETE_RATIO * seconds - CODEC_DELAY
    if stats.timestamps_restart or longer:
        raise InvalidMedia(CONCATENATED_MESSAGE)
    if stats.damaged > truncated or has_gap:  # a cut alone damages one packet at most
        lost = max(1, stats.damaged)
        raise InvalidMedia(
            f"the audio is damaged: {lost} of {stats.packets} packets cannot be decoded; export it again"
        )
    if truncated:
        raise InvalidMedia(f"the audio is truncated: only {seconds:.1f} s can be decoded; export it again")
    return seconds


def _declared_duration(media: MediaFile, track: VideoStream | AudioStream) -> float:
    """The length in seconds that the file declares for a track; 0 where it declares none."""
    if media.format == "avi" and isinstance(track, VideoStream) and track.average_rate:
        return float(track.frames / track.average_rate)  # FFmpeg fits a truncated AVI's duration to its content
    if media.format in ("webm", "mkv"):
        return 0.0  # one length for all tracks; FFmpeg uses it for a picture with few frames
    return float(track.duration * track.time_base) if track.duration and track.time_base else 0.0


def _display_size(picture: VideoStream, stats: DecodeStats) -> tuple[int, int]:
    """Width and height on the screen."""
    width = round(stats.width * pixel_aspect_ratio(picture))
    return (stats.height, width) if stats.rotation % 180 else (width, stats.height)
