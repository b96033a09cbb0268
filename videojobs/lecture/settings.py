"""What an operator sets for lectures: `VIDEOJOBS_LECTURE_...`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from videojobs.settings import GIB, Containers, Settings

HOUR = 3600.0


def _split_paths(value: object) -> object:
    return [part.strip() for part in value.split(":") if part.strip()] if isinstance(value, str) else value


class LectureSettings(Settings):
    """Limits, the speech model and fonts."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_LECTURE_")

    max_seconds: float = Field(default=5 * HOUR, gt=0, le=24 * HOUR)
    """Ours: twice the longest lecture, and a morning in one recording. Memory does not grow with it, time does."""

    max_bytes: int = Field(default=10 * GIB, gt=0, le=100 * GIB)
    """Ours: five hours at 4 Mbit/s. While a run works on a lecture, the file lies in the worker's temporary folder."""

    news_seconds: float = Field(default=5, gt=0, le=3600)
    """How often a run tells how far it is; each time is a row in the job's events."""

    containers: Containers = Field(default=frozenset({"mp4", "mov", "webm", "avi", "mkv"}), min_length=1)
    """What FFmpeg reads here; mkv is what recording programs write so that a crash loses nothing."""

    whisper_model: str | None = None
    """For faster-whisper: a folder with a converted model, or a name such as `small` or `owner/name`. None is set:
    the embedded pocketsphinx is used unless a client asks for faster-whisper, which then is unavailable."""

    whisper_download: bool = False
    """May a model be fetched by its name? A worker that fetches gigabytes unasked is a surprise: off."""

    whisper_device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it computes. `auto` takes the graphics card where there is one."""

    whisper_precision: Literal["default", "int8", "int8_float16", "float16", "float32"] = "default"
    """CTranslate2's compute type; `int8` needs a quarter of the memory at hardly more errors."""

    whisper_threads: int = Field(default=0, ge=0, le=256)
    """Processor threads of the one model in a process; 0 leaves it to CTranslate2."""

    fonts: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split_paths)] = ()
    """Font files for what the shipped one (Latin, Greek, Cyrillic, Devanagari) has no letters for, Chinese say; in the
    environment separated by colons, as in PATH."""
