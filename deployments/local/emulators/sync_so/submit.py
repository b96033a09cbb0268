"""POST /v2/generate: the checks before a generation is accepted and charged."""

import asyncio
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deployments.local.emulators.sync_so import inputs, media, request_body, responses
from deployments.local.emulators.sync_so.errors import GenerationFailed, VendorApiError, concurrency_limit_error
from deployments.local.emulators.sync_so.lifecycle import SyncSoEmulator
from deployments.local.emulators.sync_so.schemas import GenerateRequest, parse_request
from deployments.local.emulators.sync_so.validation import validate_request


class SubmitApi:
    """Idempotency first, then validation, then the plan's limits. A rejected request leaves the key unused."""

    def __init__(self, emulator: SyncSoEmulator) -> None:
        self._emulator = emulator
        self._uploads = emulator.results / "uploads"
        self._uploads.mkdir(exist_ok=True)
        self._key_locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def create(self, request: Request) -> Response:
        key = request_body.idempotency_key(request)
        body = await request_body.read_body(
            request, self._uploads, f"{self._emulator.base_url}/storage/results/uploads"
        )
        if key is None:
            return await self._accept(body, None)
        async with self._key_locks[key]:  # concurrent duplicates get the first one's generation
            return self._replay(key, body) or await self._accept(body, key)

    def _replay(self, key: str, body: Any) -> Response | None:
        """The response for this key's earlier generation; None if there is none."""
        known = self._emulator.db.find_by_key(key)
        if known is None:
            return None
        if known["digest"] != request_body.digest(body):
            raise VendorApiError(409, "The Idempotency-Key was used with another request", "IDEMPOTENCY_KEY_CONFLICT")
        self._emulator.db.count_replay(known["id"])
        settings = self._emulator.settings
        url = self._emulator.links.current_url(known, settings.token_ttl)
        return JSONResponse(responses.generation_json(known, url), settings.replay_status)

    async def _accept(self, body: Any, key: str | None) -> Response:
        request = parse_request(body)
        validate_request(request)
        await self._check_media(request)
        self._check_concurrency()
        row = self._emulator.accept(body, request_body.digest(body), key)
        return JSONResponse(responses.generation_json(row, None), 201)

    def _check_concurrency(self) -> None:
        active = len(self._emulator.db.list_running())
        limit = self._emulator.settings.concurrency_limit
        if active >= limit:
            raise concurrency_limit_error(active, limit)

    async def _check_media(self, request: GenerateRequest) -> None:
        """Checks that need the media: the plan's duration limit, and with `at_submit` all others."""
        settings = self._emulator.settings
        if settings.plan_duration is None and settings.media_checks == "later":
            return
        with tempfile.TemporaryDirectory(dir=self._emulator.scratch) as folder:
            try:
                if settings.plan_duration is not None:
                    await self._check_plan(request, Path(folder), settings.plan_duration)
                if settings.media_checks == "at_submit":
                    await self._check_decodable(request, Path(folder))
            except GenerationFailed as failure:
                if settings.media_checks == "at_submit":
                    raise VendorApiError(422, str(failure), failure.code) from failure

    async def _check_plan(self, request: GenerateRequest, folder: Path, limit: float) -> None:
        if request.visual_inputs()[0].type == "image":
            return
        file = await inputs.download_visual(self._emulator.http_client, request, folder)
        facts = await asyncio.to_thread(media.probe_video, file)
        if facts.duration > limit:
            raise VendorApiError.from_catalog(402, "generation_plan_duration_exceeded")

    async def _check_decodable(self, request: GenerateRequest, folder: Path) -> None:
        recipe = await inputs.download_media(self._emulator.http_client, request, folder, self._emulator.settings)
        await asyncio.to_thread(media.decode_media, recipe)
