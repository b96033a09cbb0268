"""A job's cost estimate: recorded once, and computed for jobs that predate estimates."""

import pytest

from tests.integration.db.conftest import make_request
from tests.support.measured_facts import audio_facts, video_facts
from videojobs.db import VideoJob
from videojobs.pipeline.cost_estimate import cost_estimate_of, estimate_from_prices
from videojobs.pipeline.facts import JobFacts
from videojobs.requests.models import to_canonical_json


def test_a_job_keeps_its_first_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    request = make_request()
    facts = JobFacts(video=video_facts(), audio={"audio-1": audio_facts()})
    first = estimate_from_prices(request, facts)
    monkeypatch.setenv("VIDEOJOBS_PRICE_LIPSYNC_2", "1")
    job = VideoJob(request=to_canonical_json(request), facts_json=facts.to_json())
    assert cost_estimate_of(job) == estimate_from_prices(request, facts), "it is older than estimates"
    assert cost_estimate_of(job) != first
    job.estimate = first.to_json()
    assert cost_estimate_of(job) == first
