"""An operator's settings for lectures: `VIDEOJOBS_LECTURE_...`."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from videojobs.settings import GIB, Containers, Settings

HOUR = 3600.0


def _split_paths(value: object) -> object:
    return [part.strip() for part in value.split(":") if part.strip()] if isinstance(value, str) else value


class LectureSettings(Settings):
    """Limits, the speech model and fonts."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_LECTURE_")
    old_names: ClassVar = {"VIDEOJOBS_LECTURE_NEWS_SECONDS": "progress_interval_seconds"}

    max_seconds: float = Field(default=5 * HOUR, gt=0, le=24 * HOUR)
    """Ours: twice the longest lecture, or a morning in one recording. Memory does not grow with it, time does."""

    max_bytes: int = Field(default=10 * GIB, gt=0, le=100 * GIB)
    """Ours: five hours at 4 Mbit/s. During a run the file is in the worker's temporary folder."""

    progress_interval_seconds: float = Field(default=5, gt=0, le=3600)
    """Seconds between a run's progress updates; each is a row in the job's events."""

    containers: Containers = Field(default=frozenset({"mp4", "mov", "webm", "avi", "mkv"}), min_length=1)
    """Accepted containers. Recording programs write mkv, since it survives a crash."""

    whisper_model: str | None = None
    """For faster-whisper: a folder with a converted model, or a name such as `small` or `owner/name`. Without it, the
    built-in pocketsphinx is used, and faster-whisper is unavailable to clients that request it."""

    whisper_download: bool = False
    """Whether a model may be downloaded by its name. Off: a worker must not download gigabytes unexpectedly."""

    whisper_device: Literal["auto", "cpu", "cuda"] = "auto"
    """The device of the model. `auto` uses the GPU if there is one."""

    whisper_precision: Literal["default", "int8", "int8_float16", "float16", "float32"] = "default"
    """CTranslate2's compute type; `int8` needs a quarter of the memory and makes hardly more errors."""

    whisper_threads: int = Field(default=0, ge=0, le=256)
    """CPU threads of the process's one model; 0 is CTranslate2's default."""

    fonts: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split_paths)] = ()
    """Font files for scripts that the bundled font (Latin, Greek, Cyrillic, Devanagari) lacks, such as Chinese; in the
    environment separated by colons, as in PATH."""
