"""Which video text removal gets, by a link that tells one job from another."""

from typing import Any

from tasks.text_removal import presign_source
from tests.support.example_request import make_request
from tests.support.measured_facts import video_facts
from videojobs.db import VideoJob
from videojobs.pipeline.facts import JobFacts, StoredInputs
from videojobs.requests.models import to_canonical_json


class FakeStore:
    def resolve_uri(self, uri: str) -> tuple["FakeStore", str]:
        return self, uri.removeprefix("s3://bucket/")

    def presign(self, key: str, _seconds: int, *, download_name: str | None = None) -> str:
        return f"https://store/{key}?name={download_name}"


def source_link(job_id: str, **changes: Any) -> str:
    facts = JobFacts(inputs=StoredInputs(video="s3://bucket/shared.mp4"), video=video_facts())
    request = to_canonical_json(make_request(**changes))
    store: Any = FakeStore()
    return presign_source(VideoJob(id=job_id, user_id="ada", request=request, facts_json=facts.to_json()), store)


def test_jobs_with_one_source_give_the_vendor_different_links() -> None:
    """A lost submission is found by its link: another job's must not be taken for it."""
    one, two = (source_link(job_id, audio=[], segments=[]) for job_id in ("job-1", "job-2"))
    assert one == "https://store/shared.mp4?name=job-1.mp4"
    assert two != one


def test_after_lip_sync_the_vendor_gets_its_result() -> None:
    assert source_link("job-1") == "https://store/users/ada/jobs/job-1/pro_sync_result_job-1.mp4?name=None"
