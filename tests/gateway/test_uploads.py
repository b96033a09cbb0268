"""Large files go to the storage directly, by signed links; a job can be made of what is complete and one's own."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from deployments.gateway.sweeping import sweep
from tests.gateway.conftest import OpenDoor
from tests.gateway.forms import PROCESS, SEGMENTS, a_video, fields, files
from videojobs.ledger import engine_for
from videojobs.ledger.uploads import Upload
from videojobs.media.store import parse_uri

UPLOADS = "/api/v1/uploads"
MIB = 1024**2


async def begun(http: httpx.AsyncClient, size: int, name: str = "talk.mp4") -> dict[str, Any]:
    answer = await http.post(UPLOADS, json={"file_name": name, "size": size, "content_type": "video/mp4"})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def sent(upload: dict[str, Any], content: bytes) -> list[str]:
    """As any client would: each part to its link. Gives the ETags."""
    size = upload["part_size"]
    async with httpx.AsyncClient(timeout=60) as anybody:
        answers = [
            await anybody.put(link, content=content[number * size : (number + 1) * size])
            for number, link in enumerate(upload["parts"])
        ]
    return [answer.headers["ETag"] for answer in answers]


async def completed(http: httpx.AsyncClient, upload: dict[str, Any], etags: list[str]) -> httpx.Response:
    return await http.post(f"{UPLOADS}/{upload['upload_id']}/complete", json={"etags": etags})


async def uploaded(http: httpx.AsyncClient, content: bytes) -> str:
    upload = await begun(http, len(content))
    answer = await completed(http, upload, await sent(upload, content))
    assert answer.status_code == 200, answer.text
    source: str = answer.json()["source"]
    return source


async def test_a_file_sent_in_parts_becomes_the_source_of_a_job(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    content = a_video(17 * MIB)
    source = await uploaded(http, content)
    assert await asyncio.to_thread(door.store.open(parse_uri(source)[1]).read) == content
    request = {
        "video": source,
        "audio": [{"refId": name, "source": "https://example.com/1.wav"} for name in ("audio-1", "audio-2")],
        "segments": SEGMENTS,
    }
    answer = await http.post("/api/v1/jobs", json=request)
    assert answer.status_code == 202, answer.text
    async with await door.client("somebody-else") as other:
        foreign = await other.post("/api/v1/jobs", json=request)
    assert [item["field"] for item in foreign.json()["problems"]] == ["video"]


async def test_completing_twice_gives_the_same_answer(http: httpx.AsyncClient) -> None:
    upload = await begun(http, 2000)
    etags = await sent(upload, a_video())
    first, second = [await completed(http, upload, etags) for _ in range(2)]
    assert first.json() == second.json()


async def test_a_part_of_another_size_than_announced_is_not_taken(http: httpx.AsyncClient) -> None:
    """The link is signed with the part's length, so the storage itself refuses it."""
    upload = await begun(http, 2000)
    async with httpx.AsyncClient() as anybody:
        answer = await anybody.put(upload["parts"][0], content=a_video(3000))
    assert answer.status_code == 403
    assert (await completed(http, upload, ['"made-up"'])).status_code == 422


async def test_a_file_that_turns_out_to_be_of_another_size_is_removed(
    door: OpenDoor, http: httpx.AsyncClient, user: str, ground_variables: dict[str, str]
) -> None:
    """Where a storage does not look at the signed length."""
    upload = await begun(http, 2000)
    etags = await sent(upload, a_video())
    async with engine_for(ground_variables["DATABASE_URL"]).begin() as connection:
        await connection.execute(text("UPDATE uploads SET size = 2001 WHERE user_id = :user"), {"user": user})
    answer = await completed(http, upload, etags)
    assert [item["field"] for item in answer.json()["problems"]] == ["size"]
    assert door.left_of(user) == []


@pytest.mark.parametrize("etags", [["wrong"], ['"0123456789abcdef0123456789abcdef"', "more"]])
async def test_parts_that_were_not_sent_complete_nothing(http: httpx.AsyncClient, etags: list[str]) -> None:
    upload = await begun(http, 2000)
    answer = await completed(http, upload, etags)
    assert answer.status_code == 422, answer.text


async def test_somebody_elses_upload_cannot_be_completed(door: OpenDoor, http: httpx.AsyncClient) -> None:
    upload = await begun(http, 2000)
    etags = await sent(upload, a_video())
    async with await door.client("somebody-else") as other:
        assert (await completed(other, upload, etags)).status_code == 404
    assert (await completed(http, upload, etags)).status_code == 200


@pytest.mark.parametrize("name", ["../../../etc/passwd", "a b\n.mp4", "\u202egnp.mp4", "C:\\x\\y.mp4", "..", "/"])
async def test_a_file_name_never_leaves_its_folder(
    door: OpenDoor, http: httpx.AsyncClient, user: str, name: str
) -> None:
    upload = await begun(http, 2000, name)
    source = (await completed(http, upload, await sent(upload, a_video()))).json()["source"]
    prefix = f"s3://{door.store.bucket}/users/{user}/uploads/{upload['upload_id']}/"
    assert source.startswith(prefix)
    assert "/" not in source.removeprefix(prefix)
    assert source.isascii()


async def aged(door: OpenDoor, database_url: str, user: str, age: timedelta) -> None:
    """So much time has passed since this user's uploads began."""
    async with engine_for(database_url).begin() as connection:
        change = text("UPDATE uploads SET created_at = created_at - :age WHERE user_id = :user")
        await connection.execute(change, {"age": age, "user": user})


async def test_what_is_begun_and_never_completed_is_removed_after_a_day_and_not_before(
    door: OpenDoor, http: httpx.AsyncClient, user: str, ground_variables: dict[str, str]
) -> None:
    upload = await begun(http, 2000)
    await sent(upload, a_video())
    await sweep(door.ground, 24)
    assert await door.ledger.unfinished_uploads(user) == 1
    await aged(door, ground_variables["DATABASE_URL"], user, timedelta(hours=25))
    await sweep(door.ground, 24)
    assert await door.ledger.unfinished_uploads(user) == 0
    assert door.left_of(user) == []


async def test_a_completed_file_stays_while_a_job_is_made_of_it_and_goes_when_none_ever_was(
    door: OpenDoor, http: httpx.AsyncClient, user: str, ground_variables: dict[str, str]
) -> None:
    used, unused = [await uploaded(http, a_video(size)) for size in (2000, 2001)]
    audio = [{"refId": name, "source": used} for name in ("audio-1", "audio-2")]
    request = {"video": "https://example.com/1.mp4", "audio": audio, "segments": SEGMENTS}
    assert (await http.post("/api/v1/jobs", json=request)).status_code == 202
    await aged(door, ground_variables["DATABASE_URL"], user, timedelta(days=8))
    await sweep(door.ground, 24)
    assert door.left_of(user) == [parse_uri(used)[1]]
    assert (await http.post("/api/v1/jobs", json=request | {"video": unused})).status_code == 422


async def test_what_a_killed_door_left_behind_is_found_and_a_jobs_files_are_not(
    door: OpenDoor, http: httpx.AsyncClient, user: str, ground_variables: dict[str, str]
) -> None:
    job = (await http.post(PROCESS, files=files(), data=fields())).json()["job_id"]
    kept = set(door.left_of(user))
    for upload_id in (job, "of-a-killed-door"):
        prefix = f"users/{user}/jobs/{upload_id}/"
        await door.ledger.begin_upload(Upload(id=upload_id, user_id=user, prefix=prefix))
        door.store.put_bytes(f"{prefix}inputs/audio-9.wav", b"left", "audio/wav")
    await aged(door, ground_variables["DATABASE_URL"], user, timedelta(hours=25))
    await sweep(door.ground, 24)
    assert set(door.left_of(user)) == kept | {f"users/{user}/jobs/{job}/inputs/audio-9.wav"}


async def test_nobody_begins_uploads_without_end(door: OpenDoor, http: httpx.AsyncClient) -> None:
    answers = [await http.post(UPLOADS, json=WANTED) for _ in range(51)]
    assert [answer.status_code for answer in answers] == [201] * 50 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0


WANTED = {"file_name": "talk.mp4", "size": 2000, "content_type": "video/mp4"}
