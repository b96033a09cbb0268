"""Lip-sync by Sync.so. Facts: Sync.so fact sheet, by section."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from pydantic import SecretStr, ValidationError

from videojobs.db.models import Json
from videojobs.pipeline.costs import Cost, round_up
from videojobs.pipeline.facts import JobFacts
from videojobs.pipeline.segment_adjustment import fit_request_segments
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
from videojobs.providers.lookup import Accepted, Inconclusive, Lookup, LookupResult, VendorRecord
from videojobs.providers.sync_so.callbacks import verify_signature
from videojobs.providers.sync_so.client import MAX_LIST_SIZE, SyncSoClient
from videojobs.providers.sync_so.errors import GenerationNotFound
from videojobs.providers.sync_so.schemas import Generation, SegmentSpec, build_generation_body
from videojobs.providers.sync_so.settings import SyncSoLimits, SyncSoPolling, SyncSoPrices
from videojobs.requests.models import JobRequest
from videojobs.settings import LimitSettings
from videojobs.states import Stage

_MAX_PAGES: Final = 100  # of 100 generations: more than any plan makes in a day
_MAX_CLOCK_SKEW: Final = timedelta(minutes=10)  # between the vendor and the database
_MAX_LISTS_PER_SECOND: Final = 2  # see `SyncSoPolling.sync_long_polls`
_URL_FIELDS: Final = {"input", "output_url", "output_media_url", "segmentOutputUrl"}


class GenerationReport(Generation):
    """The body of a callback. Its id is stored."""

    id: VendorId


class SyncSoProvider(Provider[SyncSoClient]):
    """A submission is a generation; it has an idempotency key, a list to search, a long poll and a signed webhook."""

    key = "sync_so"
    display_name = "Sync.so"
    stage = Stage.LIP_SYNC
    capabilities = Capabilities(
        idempotent_retry=True, long_poll=True, list_may_lag=True, gives_quotes=True, https_callbacks_only=True
    )
    credentials_block = "blocks.sync_so:SyncSoCredentials"
    limit_settings = SyncSoLimits
    worker_settings = (SyncSoPolling, SyncSoPrices)
    max_callback_bytes = 1024**2  # a webhook repeats the inputs: some hundred links of 1 to 3 KB each

    @property
    def limits(self) -> ProviderLimits:
        settings = SyncSoLimits.current()
        return ProviderLimits(
            concurrency=Limit("sync-so-generations", settings.slots_sync_so),
            submits=Limit("sync-so-creates", settings.rate_sync_so_creates),
            reads=Limit("sync-so-reads", settings.rate_sync_so_reads),
        )

    @property
    def poll_timings(self) -> PollTimings:
        settings = SyncSoPolling.current()
        pause = settings.sync_list_seconds
        return PollTimings(
            max_batch=MAX_LIST_SIZE,
            initial_delay=pause,
            min_delay=pause,
            max_delay=pause,
            delay_with_callback=pause,
            long_poll=settings.sync_long_poll_seconds,
            max_long_polls=settings.sync_long_polls,
            max_requests_per_second=_MAX_LISTS_PER_SECOND,
        )

    async def check_account(self, client: SyncSoClient) -> str:
        await client.check_credentials()
        return ""

    def estimate(self, request: JobRequest, seconds: float) -> Cost:
        """By the second of the result, rounded up."""
        return Cost(
            usd=round_up(SyncSoPrices.current().usd_per_second(request.options.model), seconds), seconds=seconds
        )

    async def quote(self, client: SyncSoClient, body: bytes, cost: Cost, frame_rate: float) -> Cost | None:
        quote = await client.estimate(body, duration=cost.seconds, fps=frame_rate)
        if quote.cost_usd is None or quote.cost_usd < 0:
            return None
        return Cost(usd=quote.cost_usd, seconds=cost.seconds, basis=f"{self.display_name}'s own estimate")

    def build_request(self, inputs: StageInputs, callback_url: str | None) -> bytes:
        request = inputs.request
        return build_generation_body(
            model=request.options.model,
            video_url=inputs.video_url,
            audio_urls=inputs.audio_urls,
            segments=[
                SegmentSpec(
                    start=segment.startTime,
                    end=segment.endTime,
                    ref_id=segment.audioInput.refId,
                    crop_start=segment.audioInput.startTime,
                    crop_end=segment.audioInput.endTime,
                )
                for segment in fit_request_segments(request, inputs.facts, LimitSettings.current()).segments
            ],
            sync_mode=request.options.sync_mode,
            webhook_url=callback_url,
        )

    def request_facts(self, body: bytes) -> JobFacts:
        """The segments of the request, if it has any. Their JSON has the form of ours."""
        return JobFacts.model_validate({"sent_segments": json.loads(body).get("segments", [])})

    async def submit(self, client: SyncSoClient, body: bytes, idempotency_key: str) -> Accepted:
        return _to_accepted(await client.create(body, idempotency_key))

    async def find_submission(self, client: SyncSoClient, lookup: Lookup) -> LookupResult:
        """The generation made from our video: the one that a callback reported, or one in the vendor's list, read
        newest first back to the time of the submission.
        """
        submission = lookup.submission
        since, source = submission.intended_at - _MAX_CLOCK_SKEW, self.source_url(submission.request_body)
        if candidate := await self._confirm_candidate(client, lookup, source):
            return candidate
        cursor = None
        for _ in range(_MAX_PAGES):
            await lookup.pace()
            page = await client.list_recent(cursor=cursor)
            for generation in page:
                if source in _input_urls(generation):
                    return _to_accepted(generation)
            if not page or (page[-1].created_at or since) < since:
                break
            cursor = page[-1].id
        return Inconclusive("its list has no generation of our file")

    async def _confirm_candidate(self, client: SyncSoClient, lookup: Lookup, source: str) -> Accepted | None:
        """A callback alone is no proof: the vendor's own record must contain our video."""
        if lookup.submission.reported_vendor_id is None:
            return None
        await lookup.pace()
        record = await self.read_record(client, lookup.submission.reported_vendor_id)
        return record.accepted if record and source in record.source_urls else None

    async def status(
        self, client: SyncSoClient, vendor_ids: Sequence[str], wait_seconds: int | None = None
    ) -> dict[str, VendorStatus]:
        """A single id is read by itself: its record is complete before the list is."""
        if len(vendor_ids) > 1:
            found = await client.get_many(vendor_ids)
            return {id_: _to_status(generation) for id_, generation in found.items()}
        with suppress(GenerationNotFound):
            return {id_: _to_status(await client.get(id_, wait_seconds=wait_seconds)) for id_ in vendor_ids}
        return {}

    async def progress(self, client: SyncSoClient, vendor_id: str) -> float | None:
        """The vendor cannot hold a request and report progress in one call."""
        return (await client.get(vendor_id, progress=True)).progress_percent

    async def result_url(self, client: SyncSoClient, vendor_id: str, status: VendorStatus) -> str | None:
        return status.result_url or await client.download_url(vendor_id)

    def source_url(self, body: bytes) -> str:
        url: str = json.loads(body)["input"][0]["url"]
        return url

    async def read_record(self, client: SyncSoClient, vendor_id: str) -> VendorRecord | None:
        with suppress(GenerationNotFound):
            generation = await client.get(vendor_id)
            return VendorRecord(_to_accepted(generation), frozenset(_input_urls(generation)))
        return None

    def verify_callback(
        self, headers: Mapping[str, str], body: bytes, secret: SecretStr, now: datetime
    ) -> CallbackEvent:
        if not verify_signature(body, headers.get("sync-signature"), secret, now=now.timestamp()):
            raise CallbackRejected("not signed by Sync.so, or too long ago")
        try:
            return CallbackEvent(GenerationReport.model_validate_json(body).id)
        except ValidationError as error:
            raise CallbackMalformed from error


def _input_urls(generation: Generation) -> set[str]:
    """The source URLs in the vendor's record."""
    return {item["url"] for item in generation.input or [] if isinstance(item.get("url"), str)}


def _to_accepted(generation: Generation) -> Accepted:
    response = _redacted_response(generation)
    return Accepted(
        vendor_id=generation.id,
        answer=response,
        metadata={"sync_generation_id": generation.id, "sync_response": response},
        job_columns={"zhaoli_task_id": generation.id},  # a historic name
    )


def _to_status(generation: Generation) -> VendorStatus:
    if generation.is_failed:
        message = f"Lip-sync failed: {generation.failure_text}"
        return VendorStatus(VendorState.FAILED, message, _redacted_response(generation))
    if not generation.is_done:
        return VendorStatus(VendorState.RUNNING)
    return VendorStatus(VendorState.DONE, response=_redacted_response(generation), result_url=generation.result_url)


def _redacted_response(generation: Generation) -> Json:
    """Without links: a link gives access to the file, and many people read database rows."""
    return generation.model_dump(mode="json", exclude=_URL_FIELDS, exclude_none=True)
