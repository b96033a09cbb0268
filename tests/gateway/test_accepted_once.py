"""A job is taken in once and for all: sent again, at the same instant, while something is away."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import OpenDoor, open_door, until
from tests.gateway.forms import ALIAS, EFFECTS, PROCESS, a_key, a_video, fields, files
from tests.gateway.test_submitting import content, job_of, rows_of
from tests.media.conftest import s3_client
from videojobs.errors import LedgerUnavailable
from videojobs.ledger import Ledger, VideoJob, engine_for
from videojobs.media.store import ObjectStore

# ---- sent again --------------------------------------------------------------------------------------------


async def test_a_repeated_post_gives_the_first_job_and_leaves_no_second_copy_of_its_files(
    door: OpenDoor, http: httpx.AsyncClient, user: str, ground_variables: dict[str, str]
) -> None:
    once = a_key()
    first = await http.post(PROCESS, files=files(), data=fields(), headers=once)
    again = await http.post(ALIAS, files=files(), data=fields(effects=json.dumps(json.dumps(EFFECTS))), headers=once)
    assert first.json()["job_id"] == again.json()["job_id"]
    assert len(door.left_of(user)) == 3
    assert await rows_of(ground_variables, user) == 0


async def test_a_key_posted_five_times_at_the_same_instant_is_one_job(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    once = a_key()
    sent = await asyncio.gather(*(http.post(PROCESS, files=files(), data=fields(), headers=once) for _ in range(5)))
    assert [answer.status_code for answer in sent] == [202] * 5
    assert len({answer.json()["job_id"] for answer in sent}) == 1
    assert len(door.left_of(user)) == 3


@pytest.mark.parametrize("change", ["another video", "another name"])
async def test_a_key_with_another_request_is_a_conflict(
    door: OpenDoor, http: httpx.AsyncClient, user: str, change: str
) -> None:
    once = a_key()
    await http.post(PROCESS, files=files(), data=fields(), headers=once)
    other: dict[str, Any] = {"files": files(a_video(2001))} if change == "another video" else {"files": files()}
    data = fields(display_name="B") if change == "another name" else fields()
    answer = await http.post(PROCESS, data=data, headers=once, **other)
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert len(door.left_of(user)) == 3


# ---- while something is away -------------------------------------------------------------------------------


async def test_while_prefect_is_away_nothing_is_taken_in(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    door.prefect.away_before = True
    answer = await http.post(PROCESS, files=files(), data=fields())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert door.left_of(user) == []


async def test_a_job_that_is_on_the_books_when_prefect_goes_away_is_accepted_and_started_later(
    door: OpenDoor, http: httpx.AsyncClient
) -> None:
    door.prefect.away_after = True
    job = await job_of(door, await http.post(PROCESS, files=files(), data=fields()))
    assert door.prefect.started == []
    door.prefect.away_after = False
    await until(lambda: job.id in door.prefect.started)


async def test_after_a_restart_the_door_starts_what_the_one_before_had_taken_in(
    door: OpenDoor, http: httpx.AsyncClient, ground_variables: dict[str, str]
) -> None:
    door.prefect.away_after = True
    job = await job_of(door, await http.post(PROCESS, files=files(), data=fields()))
    with open_door(ground_variables, start_again_seconds=0.1) as next_door:
        await until(lambda: job.id in next_door.prefect.started)
    door.prefect.away_after = False
    await until(lambda: job.id in door.prefect.started)  # the first door asks too, and Prefect has one run


class Forgetful(Ledger):
    """Opens the job, and its first answer gets lost on the way."""

    lost = 0

    async def open(self, *args: Any, **more: Any) -> VideoJob:
        job = await super().open(*args, **more)
        if not Forgetful.lost:
            Forgetful.lost += 1
            raise LedgerUnavailable("the connection broke off after the commit")
        return job


async def test_a_commit_whose_answer_gets_lost_is_one_job_with_its_files(
    door: OpenDoor,
    http: httpx.AsyncClient,
    user: str,
    ground_variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def forgetful() -> Ledger:
        return Forgetful(engine_for(ground_variables["DATABASE_URL"]))

    monkeypatch.setattr(door.ground, "ledger", forgetful)
    job = await job_of(door, await http.post(PROCESS, files=files(), data=fields()))
    assert Forgetful.lost == 1
    assert content(door, job.request["video"]) == a_video()
    assert len(await door.ledger.jobs_of(user, limit=10)) == 1


async def test_while_the_storage_is_away_a_client_is_asked_to_come_again(
    door: OpenDoor, http: httpx.AsyncClient, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = ObjectStore(s3_client(1, "key", "secret"), "videojobs")  # nothing listens on that port

    async def store(job: VideoJob | None = None) -> ObjectStore:
        return away

    monkeypatch.setattr(door.ground, "store", store)
    answer = await http.post(PROCESS, files=files(), data=fields())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert (await door.ledger.jobs_of(user, limit=10)) == []
