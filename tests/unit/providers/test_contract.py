"""The contract of every registered provider. A package that adds a provider can run this module against it."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from tests.support.example_request import make_request
from tests.support.measured_facts import audio_facts, video_facts
from videojobs.errors import ConfigurationError
from videojobs.pipeline.facts import JobFacts
from videojobs.providers.base import CallbackMalformed, CallbackRejected, Provider, StageInputs
from videojobs.providers.registry import get_provider, provider_for_stage, providers
from videojobs.states import Stage

FACTS = JobFacts(
    video=video_facts(duration=10.0),
    audio={name: audio_facts(duration=2.0) for name in ("audio-1", "audio-2")},
    lip_sync=video_facts(duration=10.0),
)
every_provider = pytest.mark.parametrize("provider", providers().values(), ids=list(providers()))


def make_inputs() -> StageInputs:
    request = make_request()
    return StageInputs(
        job_id="job-1",
        request=request,
        facts=FACTS,
        video_url="https://media.test/video.mp4?signature=1",
        audio_urls={item.refId: f"https://media.test/{item.refId}.wav" for item in request.audio},
    )


@every_provider
def test_its_key_can_be_a_url_part_and_an_environment_prefix(provider: Provider[Any]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", provider.key)
    assert get_provider(provider.key) is provider


def test_limits_of_different_providers_have_different_names() -> None:
    names = [
        limit.name
        for provider in providers().values()
        for limit in (provider.limits.concurrency, *provider.limits.rates)
    ]
    assert len(set(names)) == len(names)


@every_provider
def test_its_limits_and_intervals_are_positive(provider: Provider[Any]) -> None:
    limits, timings = provider.limits, provider.poll_timings
    assert limits.concurrency.value >= 1
    assert all(limit.value > 0 for limit in limits.rates)
    assert timings.max_batch >= 1
    assert timings.initial_delay >= 0
    assert 0 < timings.min_delay <= timings.max_delay
    assert (timings.long_poll > 0) == provider.capabilities.long_poll


@every_provider
def test_equal_inputs_give_equal_request_bytes(provider: Provider[Any]) -> None:
    first, second = (provider.build_request(make_inputs(), "https://api.test/callbacks/1") for _ in range(2))
    assert first == second
    assert b"https://api.test/callbacks/1" in first
    assert b"callbacks" not in provider.build_request(make_inputs(), None)


@every_provider
def test_its_request_names_our_link_as_the_source(provider: Provider[Any]) -> None:
    url = "https://media.test/other.mp4?signature=2"
    assert provider.source_url(provider.build_request(replace(make_inputs(), video_url=url), None)) == url


@every_provider
def test_facts_of_its_request_can_be_stored(provider: Provider[Any]) -> None:
    facts = provider.request_facts(provider.build_request(make_inputs(), None))
    assert JobFacts.model_validate_json(json.dumps(facts.to_json())) == facts


@every_provider
def test_its_estimate_has_a_price(provider: Provider[Any]) -> None:
    cost = provider.estimate(make_request(), 60)
    assert cost.seconds == 60
    assert (cost.usd, cost.points) != (None, None)


@every_provider
@pytest.mark.parametrize("headers", [{}, {"sync-signature": "t=1,v1=00", "callback-sign": "00"}])
def test_an_unsigned_callback_is_rejected(provider: Provider[Any], headers: dict[str, str]) -> None:
    body = json.dumps({"id": "42", "status": "COMPLETED", "processStatus": 1}).encode()
    with pytest.raises((CallbackRejected, CallbackMalformed)):
        provider.verify_callback(headers, body, SecretStr("a-secret"), datetime.now(UTC))


def test_each_stage_has_a_provider_by_default() -> None:
    assert [provider_for_stage(stage).stage for stage in Stage] == list(Stage)


@pytest.mark.parametrize("key", ["nobody", "ghostcut"])
def test_a_provider_that_cannot_serve_the_stage_is_refused(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_LIP_SYNC_PROVIDER", key)
    with pytest.raises(ConfigurationError, match=key):
        provider_for_stage(Stage.LIP_SYNC)
