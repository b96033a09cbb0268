"""A signed-in user and their jobs."""

import html
import re
import uuid

import httpx

from tests.integration.api.conftest import ApiServer
from tests.integration.db.conftest import make_request
from tests.support.measured_facts import audio_facts, video_facts
from videojobs.db import Lease
from videojobs.db.tokens import Scope
from videojobs.pipeline.facts import JobFacts, StoredInputs

FACTS = JobFacts(
    inputs=StoredInputs(video="s3://videojobs/video.mp4", audio={"audio-1": "s3://videojobs/1.wav"}),
    video=video_facts(),
    audio={"audio-1": audio_facts()},
)
HOSTILE_NAME = """<script>alert(1)</script>"'&{{7*7}}"""


async def browser_client(api: ApiServer, user: str, *scopes: Scope) -> httpx.AsyncClient:
    """A signed-in user whose browser sends the headers that state where requests come from."""
    cookies = {"token": await api.create_token(user, *scopes)}
    return httpx.AsyncClient(base_url=api.base_url, cookies=cookies, headers={"Origin": api.base_url})


async def create_job(api: ApiServer, user: str = "ada", *, name: str = "A job", areas: int = 0) -> str:
    """A newly created job."""
    request = make_request(areas=areas, name=name).model_copy(update={"user_id": user})
    job_id = f"job-{uuid.uuid4()}"
    await api.repository.create(job_id, request, actor="test")
    return job_id


async def lease_job(api: ApiServer, job_id: str) -> Lease:
    """Give the job to a run that holds its lease."""
    lease = Lease(job_id, f"{uuid.uuid4()}/1")
    assert await api.repository.acquire_lease(lease, seconds=60) is None
    return lease


async def page_text(http: httpx.AsyncClient, path: str, status: int = 200) -> str:
    """The visible text of a page, without tags."""
    answer = await http.get(path)
    assert answer.status_code == status, answer.text
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text)))
