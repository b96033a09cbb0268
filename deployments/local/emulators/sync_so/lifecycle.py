"""A generation's lifecycle: accepted, downloaded, rendered, ended, reported by webhook."""

import asyncio
import json
import logging
import tempfile
from contextlib import suppress
from pathlib import Path

from deployments.local.emulators.emulator import Emulator
from deployments.local.emulators.server import ServerOptions
from deployments.local.emulators.sqlite_store import Row
from deployments.local.emulators.sync_so import inputs, media, prices, responses, webhooks
from deployments.local.emulators.sync_so.db import SyncSoStore
from deployments.local.emulators.sync_so.errors import GenerationFailed, InvalidSegments
from deployments.local.emulators.sync_so.faults import ForcedStatus, WebhookFault, create_fault_registry
from deployments.local.emulators.sync_so.render import render
from deployments.local.emulators.sync_so.result_urls import ResultLinks
from deployments.local.emulators.sync_so.schemas import GenerateRequest, parse_request
from deployments.local.emulators.sync_so.settings import Settings

PENDING_SHARE = 0.1  # of the processing time, before a worker starts the generation
log = logging.getLogger(__name__)


class SyncSoEmulator(Emulator[SyncSoStore, Settings]):
    """Sync.so without its HTTP API."""

    def __init__(self, options: ServerOptions, webhook_secret: str) -> None:
        super().__init__(options, SyncSoStore(options.data), Settings, create_fault_registry())
        self.links = ResultLinks(options.base_url, self.db)
        self._webhook_secret = webhook_secret
        self._end_events: dict[str, asyncio.Event] = {}

    def resume(self) -> None:
        for row in self.db.list_running():
            self._start(row["id"])

    def accept(self, request: object, digest: str, key: str | None) -> Row:
        """Accept a validated request: from here on it uses concurrency and costs money."""
        ending = self.faults.consume(ForcedStatus, "accepted", json.dumps(request))
        forced_status = ending.model_dump(by_alias=True, exclude={"times"}) if ending else None
        row = self.db.create_generation(request, digest, key, forced_status)
        self._start(row["id"])
        return row

    def _start(self, generation_id: str) -> None:
        self._end_events[generation_id] = asyncio.Event()
        self.runner.start(self._run_generation(generation_id))

    async def wait_until_ended(self, generation_id: str, seconds: float) -> None:
        """Return when the generation has ended, or after `seconds`."""
        if event := self._end_events.get(generation_id):
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), seconds)

    def release_waiters(self) -> None:
        for event in self._end_events.values():
            event.set()

    def result_file(self, generation_id: str) -> Path:
        return self.results / f"{generation_id}.mp4"

    async def _run_generation(self, generation_id: str) -> None:
        row = self.db.get_generation(generation_id)
        await self.runner.wait_for_share(row["created_at"], PENDING_SHARE)
        self.db.mark_processing(generation_id)
        try:
            await self._process(row)
        except GenerationFailed as failure:
            self._fail(generation_id, failure)
        except Exception:
            log.exception("generation %s", generation_id)
            self._fail(generation_id, GenerationFailed("generation_unknown_error"))
        self._end_events.pop(generation_id).set()
        await self._send_webhook(self.db.get_generation(generation_id))

    def _fail(self, generation_id: str, failure: GenerationFailed) -> None:
        if isinstance(failure, InvalidSegments):
            self.db.mark_failed(generation_id, self.settings.misfit_status, None, str(failure))
        else:
            self.db.mark_failed(generation_id, "FAILED", failure.code, str(failure))

    async def _process(self, row: Row) -> None:
        """Process the generation, for at least its processing time. Raises GenerationFailed."""
        if row["ending"] is not None:
            await self.runner.wait_for_share(row["created_at"], 1.0)
            ending = ForcedStatus.model_validate_json(row["ending"])
            self.db.mark_failed(row["id"], ending.status, ending.code, ending.message())
            return
        request = parse_request(json.loads(row["request"]))
        duration = await self._render(request, self.result_file(row["id"]))
        await self.runner.wait_for_share(row["created_at"], 1.0)
        self.db.mark_completed(row["id"], duration, prices.price(request.model, duration))

    async def _render(self, request: GenerateRequest, target: Path) -> float:
        with tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True) as name:
            if self.settings.pass_through:
                source = await inputs.download_visual(self.http_client, request, Path(name))
                duration = (await asyncio.to_thread(media.probe_video, source)).duration
                source.replace(target)
                return duration
            recipe = await inputs.download_media(self.http_client, request, Path(name), self.settings)
            draft = Path(name) / "result.mp4"
            duration = await self.runner.run_transform(render, recipe, draft)
            draft.replace(target)
            return duration

    async def _send_webhook(self, row: Row) -> None:
        """Send the webhook, if requested and if the vendor has one for this status."""
        url = json.loads(row["request"]).get("webhookUrl")
        if not url or (row["status"] == "REJECTED" and not self.settings.webhook_on_rejected):
            return
        fault = self.faults.consume(WebhookFault, "webhook", row["request"])
        payload = responses.webhook_json(row, self.links.current_url(row, self.settings.token_ttl))
        for body, outcome in await webhooks.send_webhook(self.http_client, url, payload, self._webhook_secret, fault):
            self.db.record_notification(row["id"], url, body, outcome)
