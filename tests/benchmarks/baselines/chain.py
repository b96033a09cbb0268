"""The calls of one chained job, with the product's own clients, shared by all baselines.

Nothing is recorded here: recording is what distinguishes the baselines.
"""

import asyncio
import math
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic import SecretStr

from deployments.server.storage import object_store_from_env
from tasks.runtime.result_storage import store_result
from videojobs.media.ingest import open_s3
from videojobs.media.probe import probe_audio, probe_video
from videojobs.pipeline.facts import JobFacts
from videojobs.pipeline.masks import build_masks, resolve_timeline
from videojobs.providers.ghostcut.client import GhostCutClient
from videojobs.providers.ghostcut.schemas import build_work_body
from videojobs.providers.ghostcut.settings import GhostCutPolling
from videojobs.providers.http import vendor_http_client
from videojobs.providers.sync_so.client import SyncSoClient
from videojobs.providers.sync_so.schemas import SegmentSpec, build_generation_body
from videojobs.providers.sync_so.settings import SyncSoPolling
from videojobs.requests.parsing import parse_request
from videojobs.storage.object_store import ObjectStore, lip_sync_result_key, result_key

USER: Final = "bench"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChainClient:
    """One process's clients for the vendors and the bucket."""

    store: ObjectStore
    sync_so: SyncSoClient
    ghostcut: GhostCutClient

    async def analyze_inputs(self, job_id: str, raw_request: Json) -> Json:
        """Decode the inputs in the bucket; gives the facts."""
        request = parse_request(raw_request)
        video = await asyncio.to_thread(open_s3, request.video, self.store, math.inf)
        audio = await asyncio.to_thread(open_s3, request.audio[0].source, self.store, math.inf)
        facts = await asyncio.to_thread(probe_video, video)
        sound = await asyncio.to_thread(probe_audio, audio)
        return {"video": asdict(facts), "audio": {request.audio[0].refId: asdict(sound)}}

    async def submit_lip_sync(self, job_id: str, raw_request: Json) -> str:
        """Submit the lip-sync; gives the generation's id."""
        request = parse_request(raw_request)
        segment = request.segments[0]
        body = build_generation_body(
            model=request.options.model,
            video_url=self._presign(request.video),
            audio_urls={request.audio[0].refId: self._presign(request.audio[0].source)},
            segments=[SegmentSpec(segment.startTime, segment.endTime, segment.audioInput.refId)],
            sync_mode=request.options.sync_mode,
        )
        return (await self.sync_so.create(body, f"bench-{job_id}")).id

    async def lip_sync_url(self, generation_id: str, *, wait: bool = True) -> str | None:
        """The result's link, after one request; with `wait`, by a long poll like the product's."""
        seconds = SyncSoPolling().sync_long_poll_seconds if wait else None
        generation = await self.sync_so.get(generation_id, wait_seconds=seconds)
        if generation.is_failed:
            raise RuntimeError(generation.failure_text)
        return generation.result_url if generation.is_done else None

    async def wait_for_lip_sync(self, generation_id: str) -> str:
        """Wait for the result's link with the vendor's long poll."""
        while (url := await self.lip_sync_url(generation_id)) is None:
            pass
        return url

    async def store_lip_sync(self, job_id: str, url: str) -> Json:
        """Copy and decode the result; gives its facts."""
        return asdict(await store_result(url, self.store, lip_sync_result_key(USER, job_id), vendor="Sync.so"))

    async def submit_text_removal(self, job_id: str, raw_request: Json, facts: Json) -> str:
        """Submit the text removal; gives the work's id."""
        request, typed_facts = parse_request(raw_request), JobFacts.model_validate(facts)
        frame_rate = typed_facts.source_video.frame_rate
        masks = build_masks(request, resolve_timeline(request, typed_facts), frame_rate)
        url = self._presign(self.store.uri(lip_sync_result_key(USER, job_id)))
        return (await self.ghostcut.submit(build_work_body(url=url, name=job_id, masks=masks, resolution="480p"))).id

    async def text_removal_url(self, work_id: str) -> str | None:
        """The result's link, after one status request."""
        status = (await self.ghostcut.status([work_id]))[work_id]
        if status.is_failed:
            raise RuntimeError(status.failure_text)
        return status.result_url if status.is_done else None

    async def wait_for_text_removal(self, work_id: str) -> str:
        """Wait for the result's link, polling at the product's intervals."""
        pause = GhostCutPolling().ghostcut_poll_first_seconds
        while (url := await self.text_removal_url(work_id)) is None:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, GhostCutPolling().ghostcut_poll_max_seconds)
        return url

    async def store_text_removal(self, job_id: str, url: str) -> Json:
        """Like `store_lip_sync`."""
        return asdict(await store_result(url, self.store, result_key(USER, job_id), vendor="GhostCut"))

    def _presign(self, uri: str) -> str:
        return self.store.presign(self.store.resolve_uri(uri)[1], 3600)


@asynccontextmanager
async def open_chain_client(variables: Mapping[str, str] = os.environ) -> AsyncIterator[ChainClient]:
    """A client with the addresses and credentials in these variables."""
    key = {"x-api-key": SecretStr(variables["SYNC_SO_API_KEY"])}
    async with (
        vendor_http_client(variables["SYNC_SO_BASE_URL"], headers=key) as sync_so,
        vendor_http_client(variables["GHOSTCUT_BASE_URL"]) as ghostcut,
    ):
        app_key, secret = (SecretStr(variables[name]) for name in ("GHOSTCUT_APP_KEY", "GHOSTCUT_APP_SECRET"))
        yield ChainClient(
            object_store_from_env(variables), SyncSoClient(sync_so), GhostCutClient(ghostcut, app_key, secret)
        )
