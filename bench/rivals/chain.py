"""The calls of one chained job, with the product's own clients: what every rival does, each in its own way.

Nothing is recorded here; that is what the rivals differ in.
"""

import asyncio
import math
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic import SecretStr

from deployments.storage import store_of
from tasks.results import bring_home
from videojobs.areas import decision_for, masks_for
from videojobs.intake import parse_request
from videojobs.media.probe import inspect_audio, inspect_video
from videojobs.media.sources import open_stored
from videojobs.media.store import ObjectStore, result_key, sync_result_key
from videojobs.settings import Timings
from videojobs.vendors.ghostcut.client import GhostCutClient
from videojobs.vendors.ghostcut.wire import work_request
from videojobs.vendors.http import vendor_http
from videojobs.vendors.sync_so.client import SyncSoClient
from videojobs.vendors.sync_so.wire import SegmentSpec, generation_request

USER: Final = "bench"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Chain:
    """One process's way to the vendors and the bucket."""

    store: ObjectStore
    sync_so: SyncSoClient
    ghostcut: GhostCutClient

    async def take_in(self, job_id: str, asked: Json) -> Json:
        """Decode the inputs where they lie; gives the facts."""
        request = parse_request(asked)
        video = await asyncio.to_thread(open_stored, request.video, self.store, math.inf)
        audio = await asyncio.to_thread(open_stored, request.audio[0].source, self.store, math.inf)
        facts = await asyncio.to_thread(inspect_video, video)
        sound = await asyncio.to_thread(inspect_audio, audio)
        return {"video": asdict(facts), "audio": {request.audio[0].refId: asdict(sound)}}

    async def buy_lip_sync(self, job_id: str, asked: Json) -> str:
        """The generation's id."""
        request = parse_request(asked)
        segment = request.segments[0]
        body = generation_request(
            model=request.options.model,
            video_url=self._link(request.video),
            audio_urls={request.audio[0].refId: self._link(request.audio[0].source)},
            segments=[SegmentSpec(segment.startTime, segment.endTime, segment.audioInput.refId)],
            sync_mode=request.options.sync_mode,
        )
        return (await self.sync_so.create(body, f"bench-{job_id}")).id

    async def lip_sync_result(self, generation_id: str, *, wait: bool = True) -> str | None:
        """The link, after one request; with `wait`, one that waits for the end as the product's does."""
        seconds = Timings().sync_long_poll_seconds if wait else None
        generation = await self.sync_so.get(generation_id, wait_seconds=seconds)
        if generation.is_failed:
            raise RuntimeError(generation.failure_text)
        return generation.result_url if generation.is_done else None

    async def await_lip_sync(self, generation_id: str) -> str:
        """The link, when there is one, by the vendor's long poll."""
        while (url := await self.lip_sync_result(generation_id)) is None:
            pass
        return url

    async def store_lip_sync(self, job_id: str, url: str) -> Json:
        """Copy and decode the result; gives its facts."""
        return await bring_home(url, self.store, sync_result_key(USER, job_id), vendor="Sync.so")

    async def buy_text_removal(self, job_id: str, asked: Json, facts: Json) -> str:
        """The work's id."""
        request = parse_request(asked)
        masks = masks_for(request, decision_for(request, facts), facts["video"]["frame_rate"])
        url = self._link(self.store.uri(sync_result_key(USER, job_id)))
        return (await self.ghostcut.submit(work_request(url=url, name=job_id, masks=masks, resolution="480p"))).id

    async def text_removal_result(self, work_id: str) -> str | None:
        """The link, after one status request."""
        status = (await self.ghostcut.status([work_id]))[work_id]
        if status.is_failed:
            raise RuntimeError(status.failure_text)
        return status.video_url if status.is_done else None

    async def await_text_removal(self, work_id: str) -> str:
        """The link, when there is one, asked for at the product's intervals."""
        pause = Timings().ghostcut_poll_first_seconds
        while (url := await self.text_removal_result(work_id)) is None:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, Timings().ghostcut_poll_max_seconds)
        return url

    async def store_text_removal(self, job_id: str, url: str) -> Json:
        """As `store_lip_sync`."""
        return await bring_home(url, self.store, result_key(USER, job_id), vendor="GhostCut")

    def _link(self, uri: str) -> str:
        return self.store.presign(self.store.located(uri)[1], 3600)


@asynccontextmanager
async def open_chain(variables: Mapping[str, str] = os.environ) -> AsyncIterator[Chain]:
    """With the addresses and credentials that these variables name."""
    key = {"x-api-key": SecretStr(variables["SYNC_SO_API_KEY"])}
    async with (
        vendor_http(variables["SYNC_SO_BASE_URL"], headers=key) as sync_so,
        vendor_http(variables["GHOSTCUT_BASE_URL"]) as ghostcut,
    ):
        app_key, secret = (SecretStr(variables[name]) for name in ("GHOSTCUT_APP_KEY", "GHOSTCUT_APP_SECRET"))
        yield Chain(store_of(variables), SyncSoClient(sync_so), GhostCutClient(ghostcut, app_key, secret))
