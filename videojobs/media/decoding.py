"""Opens a media file by its content, and decodes it to its end while counting what cannot be decoded.

The header alone is not enough: truncated and damaged files often have a perfect one (platform facts, "Media").
`probe` evaluates the counts.
"""

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videojobs.errors import InvalidMedia
from videojobs.media.concatenated_files import concatenation_error
from videojobs.media.header_limit import HeaderLimit
from videojobs.media.mp4_index_guard import reject_oversized_index
from videojobs.media.sniff import sniff_container
from videojobs.media.tracks import MAX_PIXELS, limit_frame_sizes, set_decoder_threads

MAX_TRACKS: Final = 24  # video and audio; camera files have at most seven, OBS records six audio tracks
MAX_STREAMS: Final = 200  # of any kind, such as subtitles in all languages, attached fonts and pictures
_TOO_MANY_TRACKS: Final = f"the file has more than {MAX_TRACKS} tracks; export it with one video and one audio track"
# Only these demuxers, under FFmpeg's names, and no protocols: otherwise a playlist sent as a "video" makes FFmpeg open
# any URL and file that it contains. And no decoders: FFmpeg would decode the first frame of each track when it opens a
# file, and keep all of them.
_OPEN_OPTIONS: Final = {
    "format_whitelist": "mov,matroska,avi,wav,mp3,ogg,flac",
    "protocol_whitelist": "none",
    "codec_whitelist": "none",
    "max_streams": str(MAX_STREAMS),  # beyond it some demuxers fail, and others drop the rest
}
_MAX_FRAME_RATE: Final = 240  # per second, as in phones' slow motion; more would take hours to decode
_MAX_PACKET_RATE: Final = 3000  # per second, of any track; the smallest audio packets last a third of a millisecond
_DURATION_TOLERANCE: Final = 10  # seconds beyond the limit: slightly longer files are rejected later, with their length
_HEAD_BYTES: Final = 64  # first bytes, which distinguish variants of MP4, WebM and WAV
_MP3_HEADER: Final = re.compile(rb"\AID3|Xing|Info")  # tags or an encoder's header; elsewhere these bytes are not audio
_IMAGE_BRANDS: Final = frozenset({"avif", "avis", "heic", "heix", "mif1", "msf1"})  # images in the MP4 structure
_MAX_TIME_REGRESSION: Final = (
    0.5  # seconds; frames arrive in order, and rounding moves them back by milliseconds at most
)
_MAX_OGG_PAGE_BYTES: Final = 27 + 255 + 255 * 255  # bytes of the largest page: its header, table and content (RFC 3533)


@dataclass(frozen=True, slots=True)
class MediaFile:
    """An open media file: FFmpeg's container, the format's name (`mp4`), the size in bytes."""

    container: InputContainer
    format: str
    size: int
    start: float  # seconds on the file's own timeline when its first track begins; hours in a part of a stream
    declared_seconds: float  # length of the whole file as declared; 0 if it declares none
    has_unknown_length: bool  # a WAV written to a pipe does not contain its length
    truncated: bool  # the file ends within a part of the container


@dataclass(slots=True)
class DecodeStats:
    """Counts from decoding one track to its end. Times are seconds on the file's own timeline."""

    frames: int = 0
    samples: int = 0  # per channel; audio only
    packets: int = 0
    damaged: int = 0  # packets that the decoder rejected, and incomplete frames
    truncated: bool = False  # the file ended within a packet
    width: int = 0  # pixels of the first frame; the container may declare other values, or none
    height: int = 0
    hidden_packets: int = 0  # packets hidden by an edit list, as in a video trimmed on a phone
    rotation: int = 0  # degrees by which a player rotates the picture
    start: float | None = None
    last_frame_time: float = 0.0  # start of the last frame so far
    end: float = 0.0
    timestamps_restart: bool = False  # times go back: another recording follows
    seconds_by_format: dict[str, float] = field(default_factory=dict)  # seconds of audio by format: `48000 Hz mono`

    def add(self, frame: VideoFrame | AudioFrame, seconds: float) -> None:
        """Count one decoded frame of about `seconds`."""
        if isinstance(frame, VideoFrame) and not self.frames:
            self.width, self.height = frame.width, frame.height
        self.frames += 1
        self.damaged += frame.is_corrupt
        if isinstance(frame, VideoFrame):
            self.rotation = frame.rotation
            if frame.duration and frame.time_base:
                seconds = float(frame.duration * frame.time_base)
        else:
            self.samples += frame.samples
            seconds = frame.samples / frame.sample_rate
            audio_format = f"{frame.sample_rate} Hz {frame.layout.name}"
            self.seconds_by_format[audio_format] = self.seconds_by_format.get(audio_format, 0.0) + seconds
        if frame.time is not None:
            self.timestamps_restart |= (
                self.start is not None and frame.time < self.last_frame_time - _MAX_TIME_REGRESSION
            )
            self.last_frame_time = frame.time if self.start is None else max(self.last_frame_time, frame.time)
            self.start = frame.time if self.start is None else min(self.start, frame.time)
            self.end = max(self.end, frame.time + seconds)


@contextmanager
def open_media(source: Path | BinaryIO, max_pixels: int = MAX_PIXELS) -> Iterator[MediaFile]:
    """Open a file, or any seekable source, by its content; the name is ignored.

    Decodes nothing yet, and rejects too many tracks; `videojobs.media.tracks` chooses which to decode. Raises
    InvalidMedia, also for files that are no media; errors of the source's own `read` pass unchanged.
    """
    if isinstance(source, Path):
        with source.open("rb") as file, open_media(file, max_pixels) as media:
            yield media
        return
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    if not size:
        raise InvalidMedia("the file is empty; export or upload it again")
    reject_oversized_index(source, size)
    if error_text := concatenation_error(source, size):
        raise InvalidMedia(error_text)
    source.seek(0)
    head = source.read(_HEAD_BYTES)
    truncated = head.startswith(b"OggS") and _is_ogg_truncated(source, size)
    source.seek(0)
    limited_source = _limit_header_reads(source, head)
    try:
        container = av.open(limited_source, "r", options=_OPEN_OPTIONS, metadata_errors="replace")
    except av.error.MemoryError as error:  # FFmpeg's error for too many streams
        raise InvalidMedia(_TOO_MANY_TRACKS) from error
    except av.FFmpegError as error:
        if truncated or head[4:8] == b"ftyp":
            raise InvalidMedia("the file is truncated: its index is missing; upload it again") from error
        raise InvalidMedia("the content is not a video or audio file of a supported format; export it again") from error
    with container:
        limited_source.lift()
        if len(container.streams.video) + len(container.streams.audio) > MAX_TRACKS:
            raise InvalidMedia(_TOO_MANY_TRACKS)
        limit_frame_sizes(container, max_pixels)
        start = max(0.0, (container.start_time or 0) / av.time_base)
        declared_seconds = (container.duration or 0) / av.time_base
        if container.format.name.startswith("matroska") and declared_seconds > start:
            declared_seconds -= start  # here FFmpeg gives the end time
        yield MediaFile(
            container,
            _format_name(container, head),
            size,
            start,
            declared_seconds,
            _has_unknown_length(head),
            truncated,
        )


def decode(
    media: MediaFile, tracks: list[VideoStream | AudioStream], max_seconds: float = math.inf
) -> list[DecodeStats]:
    """Decode the tracks to their end and keep only the counts, one for each track.

    Raises InvalidMedia as soon as there is more than `max_seconds` can contain, whatever the file declares.
    """
    results = {track.index: DecodeStats() for track in tracks}
    for track in tracks:
        set_decoder_threads(track)
        if track.codec_context.name == "flac":
            track.codec_context.options = {
                "err_detect": "crccheck+explode"
            }  # the only codec here with checksums: check them
    with suppress(av.FFmpegError):  # the demuxer fails: the counts then show what is missing
        for packet in media.container.demux(*tracks):
            result = results[packet.stream.index]
            _decode_packet(packet, result, media)
            _enforce_limit(result, packet.stream, max_seconds)
    return [results[track.index] for track in tracks]


def _decode_packet(packet: "Packet[Stream]", result: DecodeStats, media: MediaFile) -> None:
    if packet.size:  # the last packet is empty; it flushes the decoder
        result.packets += 1
        result.hidden_packets += packet.is_discard
        result.truncated |= packet.is_corrupt and not media.has_unknown_length
    seconds = float(packet.duration * packet.time_base) if packet.duration else 0.0
    try:
        for frame in packet.decode():
            if isinstance(frame, VideoFrame | AudioFrame):
                result.add(frame, seconds)
    except av.FFmpegError:
        result.damaged += 1
        result.timestamps_restart |= media.format == "mp3" and bool(_MP3_HEADER.search(bytes(packet)[:_HEAD_BYTES]))


def _enforce_limit(result: DecodeStats, track: Stream, max_seconds: float) -> None:
    seconds = result.samples / track.sample_rate if isinstance(track, AudioStream) else result.frames / _MAX_FRAME_RATE
    shown_seconds = (
        result.end - result.start if result.start is not None else 0.0
    )  # between timestamps, which may be years apart
    if max(seconds, shown_seconds, result.packets / _MAX_PACKET_RATE) > max_seconds + _DURATION_TOLERANCE:
        raise InvalidMedia(f"it contains more than the limit of {max_seconds:.0f} s; shorten it")


def _limit_header_reads(source: BinaryIO, head: bytes) -> HeaderLimit:
    """Limit the header's bytes and time; for MP4 and AVI only the time.

    MP4 was checked before (`reject_oversized_index`); an AVI's index takes hardly more memory than its bytes.
    """
    return HeaderLimit(source, math.inf) if sniff_container(head) in ("mp4", "mov", "avi") else HeaderLimit(source)


def _format_name(container: InputContainer, head: bytes) -> str:
    """The format's usual name: FFmpeg has one demuxer for MP4 and MOV, and one for WebM and MKV."""
    name = container.format.name
    if name.startswith("matroska"):
        return "webm" if b"webm" in head else "mkv"
    if not name.startswith("mov"):
        return name
    brand = container.metadata.get("major_brand", "qt  ")  # old QuickTime files have no brand
    if brand in _IMAGE_BRANDS:
        return brand.strip()
    return "mov" if brand == "qt  " else "3gp" if brand.startswith("3g") else "mp4"


def _has_unknown_length(head: bytes) -> bool:
    """True for a WAV whose length field was never set: zero, or (nearly) its largest value."""
    return head[:4] == b"RIFF" and head[8:12] == b"WAVE" and not 0 < int.from_bytes(head[4:8], "little") < 0x7FFF0000


def _is_ogg_truncated(source: BinaryIO, size: int) -> bool:
    """True if the last page exceeds the file. FFmpeg would treat the rest as a complete, shorter file."""
    source.seek(max(0, size - _MAX_OGG_PAGE_BYTES))
    tail = source.read(_MAX_OGG_PAGE_BYTES)
    page = tail[tail.rfind(b"OggS") :]
    lengths = page[27 : 27 + page[26]] if len(page) > 26 else b""
    return len(page) < 27 + len(lengths) + sum(lengths) or not lengths
