"""The life of a generation: accepted, fetched, rendered, ended, told."""

import asyncio
import json
import logging
import tempfile
from contextlib import suppress
from pathlib import Path

from deployments.local.emulators.emulator import Emulator
from deployments.local.emulators.records import Row
from deployments.local.emulators.serving import Options
from deployments.local.emulators.sync_so import answers, inputs, media, prices, webhooks
from deployments.local.emulators.sync_so.books import Books
from deployments.local.emulators.sync_so.errors import Failure, MisfitSegments
from deployments.local.emulators.sync_so.faults import Ends, Webhook, fault_box
from deployments.local.emulators.sync_so.links import Links
from deployments.local.emulators.sync_so.render import render
from deployments.local.emulators.sync_so.settings import Settings
from deployments.local.emulators.sync_so.shapes import GenerateRequest, read_request

PENDING_SHARE = 0.1  # of the processing time, before a worker takes the generation
log = logging.getLogger(__name__)


class SyncSo(Emulator[Books, Settings]):
    """Sync.so without its HTTP side."""

    def __init__(self, options: Options, webhook_secret: str) -> None:
        super().__init__(options, Books(options.data), Settings, fault_box())
        self.links = Links(options.base_url, self.books)
        self._webhook_secret = webhook_secret
        self._running: dict[str, asyncio.Event] = {}

    def resume(self) -> None:
        for row in self.books.running():
            self._begin(row["id"])

    def accept(self, request: object, digest: str, key: str | None) -> Row:
        """Take a checked request: from here on it counts and costs."""
        ending = self.faults.take(Ends, "accepted", json.dumps(request))
        settled = ending.model_dump(by_alias=True, exclude={"times"}) if ending else None
        row = self.books.open(request, digest, key, settled)
        self._begin(row["id"])
        return row

    def _begin(self, identity: str) -> None:
        self._running[identity] = asyncio.Event()
        self.workshop.start(self._live(identity))

    async def until_ended(self, identity: str, seconds: float) -> None:
        """Return when the generation has ended, or when that time is over."""
        if event := self._running.get(identity):
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), seconds)

    def leaving(self) -> None:
        for event in self._running.values():
            event.set()

    def result_file(self, identity: str) -> Path:
        return self.results / f"{identity}.mp4"

    async def _live(self, identity: str) -> None:
        row = self.books.generation(identity)
        await self.workshop.wait(row["created_at"], PENDING_SHARE)
        self.books.started(identity)
        try:
            await self._make(row)
        except Failure as failure:
            self._fail(identity, failure)
        except Exception:
            log.exception("generation %s", identity)
            self._fail(identity, Failure("generation_unknown_error"))
        self._running.pop(identity).set()
        await self._tell(self.books.generation(identity))

    def _fail(self, identity: str, failure: Failure) -> None:
        if isinstance(failure, MisfitSegments):
            self.books.failed(identity, self.settings.misfit_status, None, str(failure))
        else:
            self.books.failed(identity, "FAILED", failure.code, str(failure))

    async def _make(self, row: Row) -> None:
        """Bring the generation to its end, no sooner than its time. Raises Failure."""
        if row["ending"] is not None:
            await self.workshop.wait(row["created_at"], 1.0)
            ending = Ends.model_validate_json(row["ending"])
            self.books.failed(row["id"], ending.status, ending.code, ending.message())
            return
        request = read_request(json.loads(row["request"]))
        duration = await self._render(request, self.result_file(row["id"]))
        await self.workshop.wait(row["created_at"], 1.0)
        self.books.completed(row["id"], duration, prices.price(request.model, duration))

    async def _render(self, request: GenerateRequest, target: Path) -> float:
        with tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True) as name:
            if self.settings.pass_through:
                source = await inputs.fetch_visual(self.network, request, Path(name))
                duration = (await asyncio.to_thread(media.probe, source)).duration
                source.replace(target)
                return duration
            recipe = await inputs.gather(self.network, request, Path(name), self.settings)
            draft = Path(name) / "result.mp4"
            duration = await self.workshop.transform(render, recipe, draft)
            draft.replace(target)
            return duration

    async def _tell(self, row: Row) -> None:
        """Send the webhook, if one is wanted and the vendor has one for this end."""
        url = json.loads(row["request"]).get("webhookUrl")
        if not url or (row["status"] == "REJECTED" and not self.settings.webhook_on_rejected):
            return
        fault = self.faults.take(Webhook, "webhook", row["request"])
        payload = answers.webhook(row, self.links.current(row, self.settings.token_ttl))
        for body, outcome in await webhooks.send(self.network, url, payload, self._webhook_secret, fault):
            self.books.notified(row["id"], url, body, outcome)
