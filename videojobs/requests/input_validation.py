"""Fetches and decodes the input files of a request, and applies the media rules: before anything is paid for.

A job's first task uses it, and so do estimates: both report the same problems.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Generic, Protocol, TypeVar

from videojobs.errors import FieldError, InvalidMedia, InvalidRequest, ProblemCode, TransferInterrupted
from videojobs.media.executors import run_cpu_bound
from videojobs.media.facts import AudioFacts, VideoFacts
from videojobs.media.http_download import FileTooLarge
from videojobs.media.ingest import fetch_to_temp, is_s3_uri, open_s3
from videojobs.media.probe import probe_audio, probe_source_video
from videojobs.media.url_policy import UrlPolicy
from videojobs.requests.media_rules import validate_media, video_limits
from videojobs.requests.models import JobRequest
from videojobs.settings import AccessSettings, LimitSettings
from videojobs.storage.object_store import ObjectStore

T = TypeVar("T")
FactsT = TypeVar("FactsT", VideoFacts, AudioFacts)
Probe = Callable[[Path | BinaryIO], FactsT]


class ProbeRunner(Protocol):
    """Runs the decoding of one file outside the event loop."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class ValidatedInput(Generic[FactsT]):
    """One file that was decoded without errors."""

    location: Path | str  # a local file; or an `s3://` URI that our credentials can read
    facts: FactsT


@dataclass(frozen=True, slots=True)
class ValidatedInputs:
    """All files of a job."""

    video: ValidatedInput[VideoFacts]
    audio: dict[str, ValidatedInput[AudioFacts]]  # by refId

    @property
    def audio_facts(self) -> dict[str, AudioFacts]:
        """By refId."""
        return {ref_id: sound.facts for ref_id, sound in self.audio.items()}


async def validate_inputs(
    stack: AsyncExitStack,
    request: JobRequest,
    store: ObjectStore,
    access: AccessSettings,
    *,
    run_probe: ProbeRunner = run_cpu_bound,
    max_bytes: float = math.inf,
) -> ValidatedInputs:
    """Decode every file. Downloaded ones are kept until `stack` closes.

    Raises InvalidRequest with the problems of all, or TransferInterrupted. Files above `max_bytes` that the rules allow
    are not examined: TransferInterrupted, too.
    """
    limits = LimitSettings.current()
    allowed = video_limits(request.stages, limits)
    video_probe = partial(
        probe_source_video,
        containers=allowed.containers,
        max_seconds=allowed.max_seconds,
        max_pixels=limits.max_picture_long_side * limits.max_picture_short_side,
    )
    audio_probe = partial(probe_audio, containers=limits.audio_containers, max_seconds=limits.max_audio_seconds)
    fetch_and_probe = partial(_fetch_and_probe, stack, store, access, run_probe)
    problems: list[FieldError] = []

    async def probe_input(
        path: str, source: str, allowed_bytes: int, probe: Probe[FactsT]
    ) -> ValidatedInput[FactsT] | None:
        try:
            return await fetch_and_probe(source, min(allowed_bytes, max_bytes), probe)
        except InvalidMedia as error:
            if isinstance(error, FileTooLarge) and max_bytes < allowed_bytes:
                message = f"is not examined, because it has more than {max_bytes / 1e6:,.0f} MB"
                raise TransferInterrupted(str(FieldError(path, message))) from error
            problems.append(FieldError(path, str(error), ProblemCode.UNREADABLE_FILE))
            return None
        except TransferInterrupted as error:
            raise TransferInterrupted(str(FieldError(path, str(error)))) from error

    video = await probe_input("video", request.video, allowed.max_bytes, video_probe)
    audio = {
        item.refId: await probe_input(f"audio[{index}].source", item.source, limits.max_audio_bytes, audio_probe)
        for index, item in enumerate(request.audio)
    }
    found = {ref_id: sound for ref_id, sound in audio.items() if sound is not None}
    if video is not None and len(found) == len(audio):
        inputs = ValidatedInputs(video, found)
        problems += validate_media(request, video.facts, inputs.audio_facts, limits)
        if not problems:
            return inputs
    raise InvalidRequest(problems)


async def _fetch_and_probe(
    stack: AsyncExitStack,
    store: ObjectStore,
    access: AccessSettings,
    run_probe: ProbeRunner,
    source: str,
    max_bytes: float,
    probe: Probe[FactsT],
) -> ValidatedInput[FactsT]:
    """Objects in storage are read in place; anything else is downloaded."""
    if is_s3_uri(source):
        stored = await asyncio.to_thread(open_s3, source, store, max_bytes)
        return ValidatedInput(source, await run_probe(partial(probe, stored)))
    coming = fetch_to_temp(
        source, max_bytes=max_bytes, policy=UrlPolicy.for_inputs(access), allow_files=access.allow_local_files
    )
    file = await stack.enter_async_context(coming)
    return ValidatedInput(file, await run_probe(partial(probe, file)))
