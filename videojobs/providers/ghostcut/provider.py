"""Text removal by GhostCut. Facts: GhostCut fact sheet, by section."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from pydantic import SecretStr, ValidationError

from videojobs.db.models import Json
from videojobs.errors import ConfigurationError, FieldError
from videojobs.pipeline.costs import Cost
from videojobs.pipeline.masks import build_masks, resolve_timeline, text_removal_source
from videojobs.providers.base import (
    CallbackEvent,
    CallbackMalformed,
    CallbackRejected,
    Capabilities,
    Limit,
    PollTimings,
    Provider,
    ProviderLimits,
    StageInputs,
    VendorId,
    VendorState,
    VendorStatus,
)
from videojobs.providers.ghostcut.callbacks import verify_signature
from videojobs.providers.ghostcut.client import GhostCutClient
from videojobs.providers.ghostcut.lost_work import find_work, source_url, to_accepted
from videojobs.providers.ghostcut.masks import ERASE_MODELS, model_rule_errors, whole_frame_errors
from videojobs.providers.ghostcut.schemas import Resolution, WorkStatus, build_work_body
from videojobs.providers.ghostcut.settings import GhostCutLimits, GhostCutPolling, GhostCutPrices
from videojobs.providers.lookup import Accepted, Lookup, LookupResult, VendorRecord
from videojobs.providers.schemas import Lenient
from videojobs.requests.models import AnnotationArea, JobRequest, Options
from videojobs.states import Stage


class WorkReport(WorkStatus):
    """The body of a callback. Its ids are stored."""

    id: VendorId
    id_project: Lenient[VendorId] = None


class GhostCutProvider(Provider[GhostCutClient]):
    """A submission is a work. There is no idempotency key: two submits are two paid works."""

    key = "ghostcut"
    display_name = "GhostCut"
    stage = Stage.TEXT_REMOVAL
    capabilities = Capabilities()
    credentials_block = "blocks.ghostcut:GhostCutCredentials"
    limit_settings = GhostCutLimits
    worker_settings = (GhostCutPolling, GhostCutPrices)
    max_callback_bytes = 64 * 1024  # one status row with a few links is 1 to 4 KB

    @property
    def limits(self) -> ProviderLimits:
        settings = GhostCutLimits.current()
        return ProviderLimits(
            concurrency=Limit("ghostcut-works", settings.slots_ghostcut),
            submits=Limit("ghostcut-submits", settings.rate_ghostcut_submits),
        )

    @property
    def poll_timings(self) -> PollTimings:
        settings = GhostCutPolling.current()
        return PollTimings(
            max_batch=settings.ghostcut_status_batch,
            initial_delay=0,  # a resumed run does not know how long the work has been done
            min_delay=settings.ghostcut_poll_first_seconds,
            max_delay=settings.ghostcut_poll_max_seconds,
            delay_with_callback=settings.ghostcut_poll_callback_seconds,
        )

    async def check_account(self, client: GhostCutClient) -> str:
        points = await client.balance()
        if points <= 0:
            raise ConfigurationError("the GhostCut account has no points left: top it up")
        return f"{points} points left"

    def validate(
        self, options: Options, areas: Mapping[int, AnnotationArea], *, whole_frame: bool
    ) -> Sequence[FieldError]:
        if whole_frame:
            return whole_frame_errors(options.inpaint_model, model_field="options.inpaint_model")
        return model_rule_errors(
            options.inpaint_model,
            options.inpaint_language,
            areas,
            areas_field="effects",
            language_field="options.inpaint_language",
        )

    def estimate(self, request: JobRequest, seconds: float) -> Cost:
        """One point per started unit of the duration."""
        prices = GhostCutPrices.current()
        points = Decimal(max(1, math.ceil(seconds / prices.seconds_per_point)))
        usd = None if prices.usd_per_point is None else points * prices.usd_per_point
        return Cost(usd=usd, points=points, seconds=seconds)

    def build_request(self, inputs: StageInputs, callback_url: str | None) -> bytes:
        request, facts = inputs.request, inputs.facts
        has_box_limit = ERASE_MODELS[request.options.inpaint_model].max_boxes is not None
        return build_work_body(
            url=inputs.video_url,
            name=inputs.job_id,
            masks=build_masks(
                request,
                resolve_timeline(request, facts),
                facts.source_video.frame_rate,
                one_per_area=has_box_limit,
            ),
            model=request.options.inpaint_model,
            language=request.options.inpaint_language,
            whole_frame=request.removes_whole_frame,
            resolution=_max_resolution(text_removal_source(request, facts).height),
            callback=callback_url,
        )

    async def submit(self, client: GhostCutClient, body: bytes, idempotency_key: str) -> Accepted:
        work = await client.submit(body)
        return to_accepted(work.id, work.project_id)

    async def find_submission(self, client: GhostCutClient, lookup: Lookup) -> LookupResult:
        return await find_work(client, lookup)

    async def status(
        self, client: GhostCutClient, vendor_ids: Sequence[str], wait_seconds: int | None = None
    ) -> dict[str, VendorStatus]:
        return {id_: _to_status(work) for id_, work in (await client.status(vendor_ids)).items()}

    def result_metadata(self, result_url: str) -> Json:
        return {"ghostcut_video_url": result_url}

    def source_url(self, body: bytes) -> str:
        return source_url(body)

    async def read_record(self, client: GhostCutClient, vendor_id: str) -> VendorRecord | None:
        row = (await client.status([vendor_id])).get(vendor_id)
        if row is None:
            return None
        return VendorRecord(to_accepted(row.id, row.id_project), frozenset({row.url} if row.url else ()))

    def verify_callback(
        self, headers: Mapping[str, str], body: bytes, secret: SecretStr, now: datetime
    ) -> CallbackEvent:
        """The signature has no time, so a replay is possible; it only repeats that the work has ended."""
        if not verify_signature(body, headers.get("callback-sign"), secret):
            raise CallbackRejected("not signed by GhostCut")
        try:
            report = WorkReport.model_validate_json(body)
        except ValidationError as error:
            raise CallbackMalformed from error
        return CallbackEvent(report.id, batch_id=report.id_project)


def _max_resolution(height: int) -> Resolution:
    """The lowest maximum that does not shrink the picture: the vendor scales down, never up."""
    if height <= 480:
        return "480p"
    return "720p" if height <= 720 else "1080p"


def _to_status(work: WorkStatus) -> VendorStatus:
    if work.is_locked:
        return VendorStatus(VendorState.LOCKED, f"GhostCut: {work.failure_text}")
    response = work.model_dump(mode="json", exclude={"url"}, exclude_none=True)  # without the link to our file
    if work.is_failed:
        return VendorStatus(VendorState.FAILED, work.failure_text, response, work.paid_points)
    if work.is_done:
        return VendorStatus(VendorState.DONE, "", response, work.paid_points, result_url=work.result_url)
    return VendorStatus(VendorState.RUNNING, progress=work.progress_percent)
