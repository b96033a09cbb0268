"""The real local stack, started once for this layer: Postgres, object store, both emulators, Prefect server, worker."""

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_runs import wait_for_flow_run
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from deployments.local.quality import QualityReport
from deployments.local.quality.quality_report import measure_job
from deployments.local.sample import SampleFiles, write_sample
from deployments.local.stack.prefect_client import prefect_client
from deployments.local.stack.stack import Stack
from deployments.server.environment import EMPTY_ENVIRONMENT, Environment
from deployments.server.storage import object_store_from_env
from flows.pro_video import pro_video
from tasks.runtime import status_feed
from tasks.runtime.deployment_names import JOB_DEPLOYMENTS
from tests.support.short_clip import make_short_request as short_request
from tests.support.short_clip import write_short_inputs
from videojobs.aio.per_loop import PerLoop
from videojobs.db import JobRepository, VideoJob, get_engine
from videojobs.states import JobKind, Stage
from videojobs.storage.object_store import ObjectStore, parse_uri

DEPLOYMENT = JOB_DEPLOYMENTS[JobKind.PRO_VIDEO]

RUN_TIMEOUT_SECONDS = 300  # reached only when something is broken, even on a loaded machine


@contextmanager
def prefect_settings(stack: Stack) -> Iterator[None]:
    """Connect Prefect in this process to the stack's server."""
    names = (PREFECT_API_URL, PREFECT_API_AUTH_STRING)
    with temporary_settings({setting: stack.variables[setting.name] for setting in names}):
        yield


@dataclass
class StackDriver:
    """Starts runs on the stack, waits for them, and reads the records of the product and the vendors."""

    stack: Stack
    sample: SampleFiles
    short_sample: SampleFiles
    prefect: PrefectClient
    folder: Path
    _deployments: dict[str, UUID] = field(default_factory=dict)

    @property
    def repository(self) -> JobRepository:
        return JobRepository(get_engine(self.stack.variables["DATABASE_URL"]))

    @property
    def environment(self) -> Environment:
        """The stack's addresses and credentials, as in an operator's `.env`."""
        return Environment.model_validate({name.lower(): value for name, value in self.stack.variables.items()})

    @property
    def store(self) -> ObjectStore:
        return object_store_from_env(self.stack.variables)

    def make_request(self, **changes: Any) -> dict[str, Any]:
        """The owner's second acceptance case: two segments, one area (M12)."""
        request: dict[str, Any] = {
            "video": str(self.sample.video),
            "audio": [{"refId": name, "source": str(path)} for name, path in self.sample.audio.items()],
            "segments": [
                {"startTime": 0, "endTime": 2, "audioInput": {"refId": "audio-1"}},
                {"startTime": 2.1, "endTime": 3.5, "audioInput": {"refId": "audio-2"}},
            ],
            "effects": [{"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4.1, "end": 8.3}],
            "display_name": "A test",
            "user_id": "ada",
        }
        return request | changes

    def make_small_request(self, *, areas: bool = True) -> dict[str, Any]:
        """As little processing as possible, for tests that ignore the video."""
        return short_request(str(self.short_sample.video), str(self.short_sample.audio["audio-2"]), areas=areas)

    async def start_run(
        self, request: dict[str, Any], *, idempotency_key: str | None = None, deployment: str = DEPLOYMENT
    ) -> FlowRun:
        """Start a run of the deployment through the Prefect API."""
        if deployment not in self._deployments:
            self._deployments[deployment] = (await self.prefect.read_deployment_by_name(deployment)).id
        return await self.prefect.create_flow_run_from_deployment(
            self._deployments[deployment], parameters=request, idempotency_key=idempotency_key
        )

    async def run_in_process(self, request: dict[str, Any], job_id: str | None = None) -> VideoJob:
        """Run the flow in this process (with the fixture `in_process_flows`); gives the job, however the run ended."""
        job_id = job_id or f"job-{uuid.uuid4()}"
        await self.run_to_state(request, job_id)
        return await self.repository.get_job(job_id)

    async def run_to_state(self, request: dict[str, Any], job_id: str) -> State[Any]:
        """Like `run_in_process`; gives the state in which the run ended."""
        return await pro_video(**request, job_id=job_id, return_state=True)

    async def wait_for_run(self, flow_run: FlowRun) -> FlowRun:
        with prefect_settings(self.stack):
            return await wait_for_flow_run(flow_run.id, timeout=RUN_TIMEOUT_SECONDS, client=self.prefect)

    async def wait_for_job(self, flow_run: FlowRun) -> VideoJob:
        """The job of a run that has ended."""
        await self.wait_for_run(flow_run)
        parameters = (await self.prefect.read_flow_run(flow_run.id)).parameters
        return await self.repository.get_job(parameters.get("job_id") or str(flow_run.id))

    async def download_result(self, job: VideoJob) -> Path:
        """Download the result from the address in the row."""
        assert job.output_url is not None, job.error_message
        file = self.folder / f"{job.id}.mp4"
        self.store.download(parse_uri(job.output_url)[1], file)
        return file

    def measure_quality(self, job: VideoJob, video: Path, audio: dict[str, Path] | None = None) -> QualityReport:
        """Measure a result that was made from the sample; `audio` by refId, if it is not the sample's."""
        return measure_job(
            job, video, source=self.sample.video, clean=self.sample.clean, audio=audio or self.sample.audio
        )

    async def fetch_link(self, url: str) -> bytes:
        """Download a link without credentials."""
        async with httpx.AsyncClient(follow_redirects=True) as http:
            answer = await http.get(url)
            answer.raise_for_status()
            return answer.content

    async def vendor_submissions(self, vendor: str, job_id: str) -> list[dict[str, Any]]:
        """The vendor's own records for a job: each entry was paid for."""
        return [
            entry
            for entry in (await self.vendor_state(vendor))["submissions"]
            if job_id in json.dumps(entry["request"])
        ]

    async def vendor_state(self, vendor: str) -> dict[str, Any]:
        """All of the vendor's own records."""
        return await self._call_emulator(vendor, "GET", "records")

    async def submission_state(self, job_id: str, stage: Stage) -> str | None:
        """The state of a job's submission; None while there is none."""
        live = await self.repository.get_live_submission(job_id, stage)
        return live.state if live else None

    async def inject_fault(self, vendor: str, kind: str, job_id: str, *, times: int = 1, **more: Any) -> None:
        """Inject a vendor fault into requests that name this job."""
        await self._call_emulator(vendor, "POST", "faults", {"kind": kind, "times": times, "match": job_id, **more})

    async def clear_faults(self, vendor: str) -> None:
        """Remove all faults of the vendor."""
        async with httpx.AsyncClient(base_url=self.stack.address_of(vendor)) as http:
            (await http.delete("/_emulator/faults")).raise_for_status()

    async def update_vendor_settings(self, vendor: str, **changes: Any) -> dict[str, Any]:
        """Change the vendor's settings; gives all of them."""
        return await self._call_emulator(vendor, "PATCH", "settings", changes)

    async def _call_emulator(
        self, vendor: str, method: str, path: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        async with httpx.AsyncClient(base_url=self.stack.address_of(vendor)) as http:
            answer = await http.request(method, f"/_emulator/{path}", json=body)
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
            return found


@pytest.fixture(scope="session")
async def driver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StackDriver]:
    folder = tmp_path_factory.mktemp("stack")
    sample = write_sample(folder / "sample")
    started = Stack(data=folder / "data", environment=EMPTY_ENVIRONMENT, processing_seconds=0.5, keep_data=False)
    async with started as stack, prefect_client(stack.variables) as prefect:
        yield StackDriver(stack, sample, write_short_inputs(folder / "short"), prefect, folder)
        await APILogHandler.aflush()  # otherwise the last lines are sent to a server that has stopped


@pytest.fixture
def in_process_flows(driver: StackDriver, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Flows called in this process run against the stack, as in a worker."""
    quick = dict.fromkeys(("VIDEOJOBS_GHOSTCUT_POLL_FIRST_SECONDS", "VIDEOJOBS_GHOSTCUT_POLL_CALLBACK_SECONDS"), "0.2")
    for name, value in {**driver.stack.variables, **quick}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(status_feed, "_loop_states", PerLoop(status_feed._LoopState))  # state of another environment
    with prefect_settings(driver.stack):
        yield


@pytest.fixture
def job_id() -> str:
    return f"job-{uuid.uuid4()}"


@pytest.fixture
async def no_scheduled_cleanup(driver: StackDriver) -> AsyncIterator[None]:
    """Pause the scheduled clean-up: it would do what these tests check."""
    deployment = (await driver.prefect.read_deployment_by_name("cleanup/cleanup")).id
    [schedule] = await driver.prefect.read_deployment_schedules(deployment)
    await driver.prefect.update_deployment_schedule(deployment, schedule.id, active=False)
    yield
    await driver.prefect.update_deployment_schedule(deployment, schedule.id, active=True)
