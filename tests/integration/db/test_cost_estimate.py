"""A job's cost estimate: recorded once, and computed for jobs that predate estimates."""

import pytest

from tests.integration.db.conftest import make_request
from tests.support.measured_facts import audio_facts, video_facts
from videojobs.db import VideoJob
from videojobs.pipeline.cost_estimate import cost_estimate_of, estimate_from_prices
from videojobs.pipeline.facts import JobFacts
from videojobs.requests.models import to_canonical_json
from videojobs.states import Stage


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


def test_text_removal_alone_has_no_cost_of_lip_sync() -> None:
    request = make_request(areas=1).model_copy(update={"audio": [], "segments": []})
    estimate = estimate_from_prices(request, JobFacts(video=video_facts(duration=61.0)))
    assert list(estimate.root) == [Stage.TEXT_REMOVAL]
    assert estimate.root[Stage.TEXT_REMOVAL].seconds == 61


def test_one_audio_for_the_video_costs_the_longer_of_the_two() -> None:
    request = make_request().model_copy(update={"segments": []})
    facts = JobFacts(video=video_facts(duration=10.0), audio={"audio-1": audio_facts(duration=14.0)})
    estimate = estimate_from_prices(request, facts)
    assert (list(estimate.root), estimate.root[Stage.LIP_SYNC].seconds) == ([Stage.LIP_SYNC], 14)
