"""Estimates: price, time and problems of a job before it is submitted. Nothing is started or stored."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.api.errors import ApiError
from deployments.api.jobs.estimate_pool import EstimatePool
from tests.integration.api.conftest import ApiServer, run_api_server, wait_until
from tests.integration.api.test_jobs import create_leased_job
from tests.integration.api.test_uploads import upload_file
from tests.integration.db.test_stats import deliver_lip_sync
from tests.support.multipart_forms import audio_bytes, video_bytes
from tests.support.short_clip import AREA, CLIP_SECONDS, SEGMENT, write_short_inputs
from videojobs.pipeline.costs import BudgetSettings
from videojobs.settings import LimitSettings, Settings

ESTIMATE_URL = "/api/v1/jobs/estimate"


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Video and audio."""
    files = write_short_inputs(tmp_path_factory.mktemp("clip"))
    return Path(files.video).read_bytes(), files.audio["audio-2"].read_bytes()


async def upload_request(http: httpx.AsyncClient, clip: tuple[bytes, bytes], **changes: Any) -> dict[str, Any]:
    """A request whose files are uploads."""
    video, audio = [await upload_file(http, content) for content in clip]
    request = {
        "video": video,
        "audio": [{"refId": "audio-2", "source": audio}],
        "segments": [SEGMENT],
        "effects": [{"kind": "erasure", **AREA}],
    }
    return request | changes


async def estimate(http: httpx.AsyncClient, request: dict[str, Any]) -> dict[str, Any]:
    answer = await http.post(ESTIMATE_URL, json=request)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def fields_of(body: dict[str, Any]) -> list[str]:
    return [item["field"] for item in body["problems"]]


def set_budget(monkeypatch: pytest.MonkeyPatch, **limits: Any) -> None:
    current = Settings.current.__func__  # type: ignore[attr-defined]
    budget = BudgetSettings(**limits)
    monkeypatch.setattr(
        BudgetSettings, "current", classmethod(lambda cls: budget if cls is BudgetSettings else current(cls))
    )


async def test_an_estimate_gives_prices_and_starts_nothing(
    api: ApiServer, http: httpx.AsyncClient, user: str, clip: tuple[bytes, bytes]
) -> None:
    request = await upload_request(http, clip)
    stored, started = api.stored_keys(user), list(api.prefect.started)
    body = await estimate(http, request)
    assert (body["problems"], body["unknown"], body["currency"]) == ([], [], "USD")
    stages = {stage["stage"]: stage for stage in body["stages"]}
    assert list(stages) == ["lip_sync", "text_removal"]
    assert float(stages["lip_sync"]["usd"]) > 0
    assert stages["lip_sync"]["result_seconds"] >= CLIP_SECONDS - 0.1
    assert float(body["total"]["usd"]) == sum(float(stage["usd"] or 0) for stage in stages.values())
    assert (await http.get("/api/v1/jobs")).json()["jobs"] == []
    assert (api.stored_keys(user), api.prefect.started) == (stored, started)


async def test_minutes_are_measured_on_deliveries(
    api: ApiServer, http: httpx.AsyncClient, user: str, clip: tuple[bytes, bytes]
) -> None:
    for _ in range(5):
        lease = await create_leased_job(api, user)
        await api.repository.record_estimate(lease, {"lip_sync": {"usd": "2", "seconds": 10, "basis": "price list"}})
        await deliver_lip_sync(api.repository, lease)
    body = await estimate(http, await upload_request(http, clip, effects=[]))
    (stage,) = body["stages"]
    assert stage["deliveries"] >= 5
    assert body["expected_minutes"] == stage["expected_minutes"] is not None
    assert "median" in body["minutes_basis"]
    body = await estimate(http, await upload_request(http, clip))
    assert body["expected_minutes"] is None, "nobody knows how long the text removal takes"
    assert body["minutes_basis"].startswith("not known")


async def test_all_mistakes_of_a_request_are_listed(http: httpx.AsyncClient) -> None:
    segment = {"startTime": 2, "endTime": 1, "audioInput": {"refId": "nobody"}}
    body = await estimate(http, {"video": "https://example.com/v.mp4", "audio": [], "segments": [segment], "colour": 1})
    assert {"colour", "segments[0].endTime"} <= set(fields_of(body))
    assert body["stages"] is body["total"] is None


async def test_an_upload_of_another_user_is_not_opened(
    api: ApiServer, http: httpx.AsyncClient, clip: tuple[bytes, bytes]
) -> None:
    request = await upload_request(http, clip)
    async with await api.create_client("somebody-else") as other:
        body = await estimate(other, request)
    assert fields_of(body) == ["video", "audio[0].source"]
    assert {item["code"] for item in body["problems"]} == {"invalid_source"}
    assert body["stages"] is None


async def test_another_user_id_is_a_problem(http: httpx.AsyncClient, clip: tuple[bytes, bytes]) -> None:
    body = await estimate(http, await upload_request(http, clip, user_id="victim"))
    assert [(item["field"], item["code"]) for item in body["problems"]] == [("user_id", "wrong_user")]


async def test_a_crop_beyond_the_audio_is_a_problem(http: httpx.AsyncClient, clip: tuple[bytes, bytes]) -> None:
    crop = {"refId": "audio-2", "startTime": 0, "endTime": 9.5}
    body = await estimate(http, await upload_request(http, clip, segments=[SEGMENT | {"audioInput": crop}]))
    assert fields_of(body) == ["segments[0].audioInput.endTime"]


async def test_files_that_cannot_be_decoded_are_problems(http: httpx.AsyncClient) -> None:
    body = await estimate(http, await upload_request(http, (video_bytes(), audio_bytes())))
    assert [(item["field"], item["code"]) for item in body["problems"]] == [
        ("video", "unreadable_file"),
        ("audio[0].source", "unreadable_file"),
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "localhost", "[::1]"])
async def test_a_link_into_a_private_network_is_a_problem(
    http: httpx.AsyncClient, clip: tuple[bytes, bytes], host: str
) -> None:
    request = await upload_request(http, clip, video=f"https://{host}/v.mp4")
    assert fields_of(await estimate(http, request)) == ["video"]


async def test_an_exceeded_budget_is_a_problem(
    http: httpx.AsyncClient, clip: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await upload_request(http, clip, effects=[])
    set_budget(monkeypatch, job_usd="0.0001")
    body = await estimate(http, request)
    assert [item["code"] for item in body["problems"]] == ["budget_exceeded"]
    assert body["budget_left"]["job_usd"] == "0.0001"
    assert body["stages"], "the price is known"
    set_budget(monkeypatch, day_usd="1000000")
    body = await estimate(http, request)
    assert body["problems"] == []
    assert 0 < float(body["budget_left"]["today_usd"]) <= 1_000_000


@pytest.mark.parametrize(
    ("setting", "reason"),
    [({"estimate_timeout_seconds": 1e-6}, "within 1e-06 s"), ({"estimate_max_bytes": 1024}, "MB")],
)
async def test_what_cannot_be_examined_is_said(
    service_variables: dict[str, str],
    user: str,
    clip: tuple[bytes, bytes],
    setting: dict[str, object],
    reason: str,
) -> None:
    with run_api_server(service_variables, **setting) as api:
        async with await api.create_client(user) as http:
            body = await estimate(http, await upload_request(http, clip))
    assert body["problems"] == []
    assert len(body["unknown"]) == 1
    assert reason in body["unknown"][0]
    assert body["stages"] is body["total"] is body["expected_minutes"] is None


async def test_files_above_the_limit_of_jobs_are_a_problem(
    http: httpx.AsyncClient, clip: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await upload_request(http, clip)
    monkeypatch.setattr(LimitSettings, "current", classmethod(lambda _: LimitSettings(max_audio_bytes=1024)))
    assert fields_of(await estimate(http, request)) == ["audio[0].source"]


def test_a_user_gets_half_of_the_estimates_at_once() -> None:
    pool = EstimatePool(2)
    with pool.admit("ada"):
        with pytest.raises(ApiError) as own, pool.admit("ada"):
            pass
        with pool.admit("bob"), pytest.raises(ApiError) as full, pool.admit("eve"):
            pass
    assert (own.value.status_code, full.value.status_code) == (429, 503)
    with pool.admit("ada"):
        pass


async def test_decoding_that_goes_on_keeps_its_place() -> None:
    pool, started, release = EstimatePool(1), threading.Event(), threading.Event()

    def decode() -> None:
        started.set()
        release.wait(30)

    waiting = asyncio.create_task(pool.run_probe(decode))
    await asyncio.to_thread(started.wait, 30)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(ApiError), pool.admit("ada"):
        pass
    release.set()
    await wait_until(lambda: pool.has_room)
    with pool.admit("ada"):
        pass
