"""The vendor's own SDK against the Sync.so emulator."""

from pathlib import Path

import pytest
from sync import Audio, GenerationOptions, GenerationSegment, SegmentAudioInput, Sync, Video
from sync.common.errors import UnauthorizedError
from sync.core.api_error import ApiError

from tests.support.sync_so_emulator import API_KEY, SyncSoEmulatorClient


@pytest.fixture(scope="module")
def sdk(sync_so: SyncSoEmulatorClient) -> Sync:
    return Sync(base_url=sync_so.program.url, api_key=API_KEY)


@pytest.fixture(scope="module")
def generation_id(sdk: Sync, sync_so: SyncSoEmulatorClient) -> str:
    """A generation with one segment, created through the SDK."""
    generation = sdk.generations.create(
        model="lipsync-2",
        input=[
            Video(url=f"{sync_so.files}/film.mp4"),
            Audio(url=f"{sync_so.files}/two-seconds.wav", ref_id="audio-1"),
        ],
        segments=[GenerationSegment(start_time=1, end_time=2, audio_input=SegmentAudioInput(ref_id="audio-1"))],
        options=GenerationOptions(sync_mode="remap"),
    )
    return generation.id


def test_the_sdk_creates_and_polls(sdk: Sync, sync_so: SyncSoEmulatorClient, generation_id: str) -> None:
    sync_so.wait_until_done(generation_id)
    generation = sdk.generations.get(generation_id)
    assert (generation.status, generation.output_duration) == ("COMPLETED", 4.0)
    assert generation.segments is not None
    assert generation.segments[0].audio_input.ref_id == "audio-1"


def test_the_sdk_lists_generations(sdk: Sync, sync_so: SyncSoEmulatorClient, generation_id: str) -> None:
    sync_so.wait_until_done(generation_id)
    found = sdk.generations.list(status=["COMPLETED"], ids=[generation_id])
    assert [generation.id for generation in found] == [generation_id]


def test_the_sdk_uploads_files(sdk: Sync, sync_so: SyncSoEmulatorClient, media: Path) -> None:
    with (media / "film.mp4").open("rb") as film, (media / "two-seconds.wav").open("rb") as sound:
        generation = sdk.generations.create_with_files(model="lipsync-2", video=film, audio=sound)
    assert sync_so.wait_until_done(generation.id)["outputDuration"] == 2.0


def test_the_sdk_lists_models_and_estimates_costs(sdk: Sync, sync_so: SyncSoEmulatorClient) -> None:
    assert "lipsync-2" in [model.id for model in sdk.models.list()]
    (estimate,) = sdk.generations.estimate_cost(
        model="lipsync-2",
        input=[Video(url=f"{sync_so.files}/film.mp4"), Audio(url=f"{sync_so.files}/two-seconds.wav")],
    )
    assert estimate.estimated_frame_count == 50


def test_the_sdk_parses_error_responses(sdk: Sync, sync_so: SyncSoEmulatorClient) -> None:
    with pytest.raises(UnauthorizedError):
        Sync(base_url=sync_so.program.url, api_key="wrong").generations.list()
    with pytest.raises(ApiError) as refusal:
        sdk.generations.create(model="none", input=[Video(url="http://x.test/v"), Audio(url="http://x.test/a")])
    assert refusal.value.status_code == 422
