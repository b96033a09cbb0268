"""The life of a work: queued, fetched, cleaned, paid for, told."""

import asyncio
import json
import logging
import tempfile
from pathlib import Path

from deployments.local.emulators.emulator import Emulator
from deployments.local.emulators.ghostcut import answers, inputs, statuses
from deployments.local.emulators.ghostcut.books import Books
from deployments.local.emulators.ghostcut.callbacks import Callbacks
from deployments.local.emulators.ghostcut.checks import model_problem, parameter_problem
from deployments.local.emulators.ghostcut.faults import Callback, Ends, fault_box
from deployments.local.emulators.ghostcut.inputs import Failure
from deployments.local.emulators.ghostcut.render import render
from deployments.local.emulators.ghostcut.settings import Settings
from deployments.local.emulators.ghostcut.shapes import WorkRequest
from deployments.local.emulators.records import Row
from deployments.local.emulators.serving import Options
from deployments.local.emulators.video import Unusable

# shares of the processing time at which a work walks on
PREPARED_AT, PROCESSED_FROM = 0.1, 0.2
log = logging.getLogger(__name__)


class GhostCut(Emulator[Books, Settings]):
    """GhostCut without its HTTP side."""

    def __init__(self, options: Options, secret: str) -> None:
        super().__init__(options, Books(options.data), Settings, fault_box())
        self._callbacks = Callbacks(self.network, self.books, secret)

    def resume(self) -> None:
        for row in self.books.running():
            self.workshop.start(self._live(row["id"]))
        for row in self.books.owing_callbacks():
            self.workshop.start(self._tell(row["id"]))

    def accept(self, request: Row) -> list[Row]:
        """Take a submission. There is no way to recognise a duplicate: each one is new, and costs."""
        text = json.dumps(request)
        planned = [self.faults.take(Ends, "accepted", text) for _ in request["urls"]]
        endings = [fault.model_dump(exclude={"times"}) if fault else None for fault in planned]
        works = self.books.open(request, endings)
        for work in works:
            self.workshop.start(self._live(work["id"]))
        return works

    def result_file(self, identity: int) -> Path:
        return self.results / f"{identity}.mp4"

    def item(self, row: Row) -> Row:
        """A work as status answers and callbacks show it."""
        running = row["status"] <= statuses.PROCESSING
        progress = min(99.0, 100 * self.workshop.share_done(row["created_at"])) if running else 100.0
        url = f"{self.base_url}/cdn/{row['file_key']}.mp4"
        language = json.loads(row["request"]).get("videoInpaintLang") or ""
        as_strings = self.settings.ids_as_strings
        return answers.work(row, round(progress, 1), url, language, ids_as_strings=as_strings)

    def change(self, changes: dict[str, object]) -> None:
        super().change(changes)
        if "points" in changes:
            self._unlock()

    def _unlock(self) -> None:
        """Points that came in pay for what waits for them, as an owner does in the vendor's dashboard."""
        while row := self.books.first_locked():
            cost = inputs.points(row["duration"])
            if self.settings.points < cost:
                return
            self._charge(row["id"], cost)
            if row["callback"] != "none":
                self.books.callback_is(row["id"], "owed")
                self.workshop.start(self._deliver(row["id"]))

    async def _live(self, identity: int) -> None:
        try:
            await self._make(self.books.work(identity))
        except Failure as failure:
            self.books.ended(identity, failure.status, failure.detail, 0.0)
        except Exception:
            log.exception("work %s", identity)
            self.books.ended(identity, statuses.ERASE_FAILED, "", 0.0)
        await self._tell(identity)

    async def _make(self, row: Row) -> None:
        """Bring the work to its end, no sooner than its time. Raises Failure."""
        await self.workshop.wait(row["created_at"], PREPARED_AT)
        self.books.walked(row["id"], statuses.PREPARING)
        request = WorkRequest.model_validate(json.loads(row["request"]))
        if problem := parameter_problem(request) or model_problem(request):
            raise Failure(statuses.PARAMETERS_INVALID, problem)
        with tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True) as folder:
            source = Path(folder) / "source"
            duration = await inputs.gather(self.network, row["url"], source)
            self.books.measured(row["id"], duration)
            if self.settings.points < inputs.points(duration):
                raise Failure(statuses.NO_POINTS_TO_START)
            await self.workshop.wait(row["created_at"], PROCESSED_FROM)
            self.books.walked(row["id"], statuses.PROCESSING)
            await self._clean(row, request, source)
        await self.workshop.wait(row["created_at"], 1.0)
        self._charge(row["id"], inputs.points(duration))

    async def _clean(self, row: Row, request: WorkRequest, source: Path) -> None:
        if row["ending"] is not None:
            await self.workshop.wait(row["created_at"], 1.0)
            ending = Ends.model_validate_json(row["ending"])
            raise Failure(ending.status, ending.detail)
        if self.settings.pass_through:
            await asyncio.to_thread(source.replace, self.result_file(row["id"]))
            return
        draft = source.with_name("result.mp4")
        try:
            await self.workshop.transform(render, inputs.recipe(request, source), draft)
        except Unusable as error:
            raise Failure(statuses.CORRUPT) from error
        draft.replace(self.result_file(row["id"]))

    def _charge(self, identity: int, cost: float) -> None:
        """A finished work is paid for, or locked until there are points."""
        left = self.settings.points - cost
        if left < 0:
            raise Failure(statuses.NO_POINTS_TO_UNLOCK)
        with self.books.transaction():
            self.books.ended(identity, statuses.SUCCESS, "", cost)
            super().change({"points": left})

    async def _tell(self, identity: int) -> None:
        """Push the end to the callback, if the work has one that was not told yet."""
        if self.books.work(identity)["callback"] == "owed":
            await self._deliver(identity)

    async def _deliver(self, identity: int) -> None:
        """With whatever fault is armed for it. An earlier delivery may still be on its way."""
        work = self.books.work(identity)
        fault = self.faults.take(Callback, "callback", work["request"])
        if fault and fault.effect == "drop":
            self.books.callback_is(identity, "lost")
            return
        if not await self._until_taken(work):
            self.books.callback_is(identity, "given_up")
            return
        self.books.callback_is(identity, "delivered")
        if fault:
            if fault.effect == "changed_url":
                self.books.new_file_key(identity)
            work = self.books.work(identity)
            await self._callbacks.deliver(work, self.item(work))

    async def _until_taken(self, work: Row) -> bool:
        while not await self._callbacks.deliver(work, self.item(work)):
            settings = self.settings
            if not await self._callbacks.wait_for_retry(
                work, settings.callback_retry_seconds, settings.callback_window_seconds
            ):
                return False
        return True
