"""A work's lifecycle: queued, downloaded, processed, charged, reported by callback."""

import asyncio
import json
import logging
import tempfile
from pathlib import Path

from deployments.local.emulators.emulator import Emulator
from deployments.local.emulators.ghostcut import inputs, responses, statuses
from deployments.local.emulators.ghostcut.callbacks import CallbackSender
from deployments.local.emulators.ghostcut.db import GhostCutStore
from deployments.local.emulators.ghostcut.faults import CallbackFault, ForcedStatus, create_fault_registry
from deployments.local.emulators.ghostcut.inputs import WorkFailed
from deployments.local.emulators.ghostcut.render import render
from deployments.local.emulators.ghostcut.schemas import WorkRequest
from deployments.local.emulators.ghostcut.settings import Settings
from deployments.local.emulators.ghostcut.validation import find_model_error, find_parameter_error
from deployments.local.emulators.server import ServerOptions
from deployments.local.emulators.sqlite_store import Row
from deployments.local.emulators.video import UndecodableMedia

# shares of the processing time at which the status advances
PREPARING_AT, PROCESSING_AT = 0.1, 0.2
log = logging.getLogger(__name__)


class GhostCutEmulator(Emulator[GhostCutStore, Settings]):
    """GhostCut without its HTTP API."""

    def __init__(self, options: ServerOptions, secret: str) -> None:
        super().__init__(options, GhostCutStore(options.data), Settings, create_fault_registry())
        self._callback_sender = CallbackSender(self.http_client, self.db, secret)

    def resume(self) -> None:
        for row in self.db.list_running():
            self.runner.start(self._run_work(row["id"]))
        for row in self.db.list_pending_callbacks():
            self.runner.start(self._send_callback(row["id"]))

    def accept(self, request: Row) -> list[Row]:
        """Accept a submission. Duplicates cannot be recognised: each one is new, and costs."""
        text = json.dumps(request)
        faults = [self.faults.consume(ForcedStatus, "accepted", text) for _ in request["urls"]]
        forced_statuses = [fault.model_dump(exclude={"times"}) if fault else None for fault in faults]
        works = self.db.create_works(request, forced_statuses)
        for work in works:
            self.runner.start(self._run_work(work["id"]))
        return works

    def result_file(self, work_id: int) -> Path:
        return self.results / f"{work_id}.mp4"

    def to_json(self, row: Row) -> Row:
        """A work as in status responses and callbacks."""
        running = row["status"] <= statuses.PROCESSING
        progress = min(99.0, 100 * self.runner.progress_ratio(row["created_at"])) if running else 100.0
        url = f"{self.base_url}/cdn/{row['file_key']}.mp4"
        language = json.loads(row["request"]).get("videoInpaintLang") or ""
        as_strings = self.settings.ids_as_strings
        return responses.work_json(row, round(progress, 1), url, language, ids_as_strings=as_strings)

    def update_settings(self, changes: dict[str, object]) -> None:
        super().update_settings(changes)
        if "points" in changes:
            self._charge_locked_works()

    def _charge_locked_works(self) -> None:
        """Pay locked works with new points, as an owner does in the vendor's dashboard."""
        while row := self.db.find_first_locked():
            cost = inputs.cost_in_points(row["duration"])
            if self.settings.points < cost:
                return
            self._charge(row["id"], cost)
            if row["callback"] != "none":
                self.db.set_callback_state(row["id"], "owed")
                self.runner.start(self._deliver_callback(row["id"]))

    async def _run_work(self, work_id: int) -> None:
        try:
            await self._process(self.db.get_work(work_id))
        except WorkFailed as failure:
            self.db.finish_work(work_id, failure.status, failure.detail, 0.0)
        except Exception:
            log.exception("work %s", work_id)
            self.db.finish_work(work_id, statuses.ERASE_FAILED, "", 0.0)
        await self._send_callback(work_id)

    async def _process(self, row: Row) -> None:
        """Process the work, for at least its processing time. Raises WorkFailed."""
        await self.runner.wait_for_share(row["created_at"], PREPARING_AT)
        self.db.advance_status(row["id"], statuses.PREPARING)
        request = WorkRequest.model_validate(json.loads(row["request"]))
        if problem := find_parameter_error(request) or find_model_error(request):
            raise WorkFailed(statuses.PARAMETERS_INVALID, problem)
        with tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True) as folder:
            source = Path(folder) / "source"
            duration = await inputs.download_source(self.http_client, row["url"], source)
            self.db.set_duration(row["id"], duration)
            if self.settings.points < inputs.cost_in_points(duration):
                raise WorkFailed(statuses.NO_POINTS_TO_START)
            await self.runner.wait_for_share(row["created_at"], PROCESSING_AT)
            self.db.advance_status(row["id"], statuses.PROCESSING)
            await self._render(row, request, source)
        await self.runner.wait_for_share(row["created_at"], 1.0)
        self._charge(row["id"], inputs.cost_in_points(duration))

    async def _render(self, row: Row, request: WorkRequest, source: Path) -> None:
        if row["ending"] is not None:
            await self.runner.wait_for_share(row["created_at"], 1.0)
            ending = ForcedStatus.model_validate_json(row["ending"])
            raise WorkFailed(ending.status, ending.detail)
        if self.settings.pass_through:
            await asyncio.to_thread(source.replace, self.result_file(row["id"]))
            return
        draft = source.with_name("result.mp4")
        try:
            await self.runner.run_transform(render, inputs.to_render_spec(request, source), draft)
        except UndecodableMedia as error:
            raise WorkFailed(statuses.CORRUPT) from error
        draft.replace(self.result_file(row["id"]))

    def _charge(self, work_id: int, cost: float) -> None:
        """Charge a finished work, or lock it until there are enough points."""
        left = self.settings.points - cost
        if left < 0:
            raise WorkFailed(statuses.NO_POINTS_TO_UNLOCK)
        with self.db.transaction():
            self.db.finish_work(work_id, statuses.SUCCESS, "", cost)
            super().update_settings({"points": left})

    async def _send_callback(self, work_id: int) -> None:
        """Send the final state to the work's callback, unless already sent."""
        if self.db.get_work(work_id)["callback"] == "owed":
            await self._deliver_callback(work_id)

    async def _deliver_callback(self, work_id: int) -> None:
        """Apply an armed fault. An earlier delivery may still be in progress."""
        work = self.db.get_work(work_id)
        fault = self.faults.consume(CallbackFault, "callback", work["request"])
        if fault and fault.effect == "drop":
            self.db.set_callback_state(work_id, "lost")
            return
        if not await self._deliver_with_retries(work):
            self.db.set_callback_state(work_id, "given_up")
            return
        self.db.set_callback_state(work_id, "delivered")
        if fault:
            if fault.effect == "changed_url":
                self.db.rotate_file_key(work_id)
            work = self.db.get_work(work_id)
            await self._callback_sender.deliver(work, self.to_json(work))

    async def _deliver_with_retries(self, work: Row) -> bool:
        while not await self._callback_sender.deliver(work, self.to_json(work)):
            settings = self.settings
            if not await self._callback_sender.wait_for_retry(
                work, settings.callback_retry_seconds, settings.callback_window_seconds
            ):
                return False
        return True
