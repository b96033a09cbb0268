"""Large files go directly to the store, by signed links. A job accepts only complete uploads of its own user."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from deployments.api.background.abandoned_uploads import remove_abandoned_uploads
from tests.integration.api.conftest import ApiServer
from tests.support.multipart_forms import PROCESS_URL, SEGMENTS, form_fields, form_files, video_bytes
from videojobs.db import get_engine
from videojobs.db.uploads import Upload
from videojobs.storage.object_store import parse_uri

UPLOADS = "/api/v1/uploads"
MIB = 1024**2


async def start_upload(http: httpx.AsyncClient, size: int, name: str = "talk.mp4") -> dict[str, Any]:
    answer = await http.post(UPLOADS, json={"file_name": name, "size": size, "content_type": "video/mp4"})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def send_parts(upload: dict[str, Any], content: bytes) -> list[str]:
    """Send each part to its link, as any client does; gives the ETags."""
    size = upload["part_size"]
    async with httpx.AsyncClient(timeout=60) as anybody:
        answers = [
            await anybody.put(link, content=content[number * size : (number + 1) * size])
            for number, link in enumerate(upload["parts"])
        ]
    return [answer.headers["ETag"] for answer in answers]


async def complete_upload(http: httpx.AsyncClient, upload: dict[str, Any], etags: list[str]) -> httpx.Response:
    return await http.post(f"{UPLOADS}/{upload['upload_id']}/complete", json={"etags": etags})


async def upload_file(http: httpx.AsyncClient, content: bytes) -> str:
    upload = await start_upload(http, len(content))
    answer = await complete_upload(http, upload, await send_parts(upload, content))
    assert answer.status_code == 200, answer.text
    source: str = answer.json()["source"]
    return source


async def test_a_multipart_upload_becomes_the_source_of_a_job(
    api: ApiServer, http: httpx.AsyncClient, user: str
) -> None:
    content = video_bytes(17 * MIB)
    source = await upload_file(http, content)
    assert await asyncio.to_thread(api.store.open(parse_uri(source)[1]).read) == content
    request = {
        "video": source,
        "audio": [{"refId": name, "source": "https://example.com/1.wav"} for name in ("audio-1", "audio-2")],
        "segments": SEGMENTS,
    }
    answer = await http.post("/api/v1/jobs", json=request)
    assert answer.status_code == 202, answer.text
    async with await api.create_client("somebody-else") as other:
        foreign = await other.post("/api/v1/jobs", json=request)
    assert [item["field"] for item in foreign.json()["problems"]] == ["video"]


async def test_completing_an_upload_twice_is_idempotent(http: httpx.AsyncClient) -> None:
    upload = await start_upload(http, 2000)
    etags = await send_parts(upload, video_bytes())
    first, second = [await complete_upload(http, upload, etags) for _ in range(2)]
    assert first.json() == second.json()


async def test_a_part_of_another_size_is_rejected_by_the_storage(http: httpx.AsyncClient) -> None:
    """The signature covers the part's length, so the store itself rejects it."""
    upload = await start_upload(http, 2000)
    async with httpx.AsyncClient() as anybody:
        answer = await anybody.put(upload["parts"][0], content=video_bytes(3000))
    assert answer.status_code == 403
    assert (await complete_upload(http, upload, ['"made-up"'])).status_code == 422


async def test_a_file_of_another_size_is_removed_on_completion(
    api: ApiServer, http: httpx.AsyncClient, user: str, service_variables: dict[str, str]
) -> None:
    """For stores that do not check the signed length."""
    upload = await start_upload(http, 2000)
    etags = await send_parts(upload, video_bytes())
    async with get_engine(service_variables["DATABASE_URL"]).begin() as connection:
        await connection.execute(text("UPDATE uploads SET size = 2001 WHERE user_id = :user"), {"user": user})
    answer = await complete_upload(http, upload, etags)
    assert [item["field"] for item in answer.json()["problems"]] == ["size"]
    assert api.stored_keys(user) == []


@pytest.mark.parametrize("etags", [["wrong"], ['"0123456789abcdef0123456789abcdef"', "more"]])
async def test_missing_parts_cannot_be_completed(http: httpx.AsyncClient, etags: list[str]) -> None:
    upload = await start_upload(http, 2000)
    answer = await complete_upload(http, upload, etags)
    assert answer.status_code == 422, answer.text


async def test_another_users_upload_cannot_be_completed(api: ApiServer, http: httpx.AsyncClient) -> None:
    upload = await start_upload(http, 2000)
    etags = await send_parts(upload, video_bytes())
    async with await api.create_client("somebody-else") as other:
        assert (await complete_upload(other, upload, etags)).status_code == 404
    assert (await complete_upload(http, upload, etags)).status_code == 200


@pytest.mark.parametrize("name", ["../../../etc/passwd", "a b\n.mp4", "\u202egnp.mp4", "C:\\x\\y.mp4", "..", "/"])
async def test_a_file_name_cannot_escape_its_folder(
    api: ApiServer, http: httpx.AsyncClient, user: str, name: str
) -> None:
    upload = await start_upload(http, 2000, name)
    source = (await complete_upload(http, upload, await send_parts(upload, video_bytes()))).json()["source"]
    prefix = f"s3://{api.store.bucket}/users/{user}/uploads/{upload['upload_id']}/"
    assert source.startswith(prefix)
    assert "/" not in source.removeprefix(prefix)
    assert source.isascii()


async def backdate_uploads(api: ApiServer, database_url: str, user: str, age: timedelta) -> None:
    """Make this user's uploads older by this time."""
    async with get_engine(database_url).begin() as connection:
        change = text("UPDATE uploads SET created_at = created_at - :age WHERE user_id = :user")
        await connection.execute(change, {"age": age, "user": user})


async def test_an_unfinished_upload_is_removed_after_a_day(
    api: ApiServer, http: httpx.AsyncClient, user: str, service_variables: dict[str, str]
) -> None:
    upload = await start_upload(http, 2000)
    await send_parts(upload, video_bytes())
    await remove_abandoned_uploads(api.services, 24)
    assert await api.repository.count_unfinished_uploads(user) == 1
    await backdate_uploads(api, service_variables["DATABASE_URL"], user, timedelta(hours=25))
    await remove_abandoned_uploads(api.services, 24)
    assert await api.repository.count_unfinished_uploads(user) == 0
    assert api.stored_keys(user) == []


async def test_a_completed_upload_is_kept_only_if_a_job_uses_it(
    api: ApiServer, http: httpx.AsyncClient, user: str, service_variables: dict[str, str]
) -> None:
    used, unused = [await upload_file(http, video_bytes(size)) for size in (2000, 2001)]
    audio = [{"refId": name, "source": used} for name in ("audio-1", "audio-2")]
    request = {"video": "https://example.com/1.mp4", "audio": audio, "segments": SEGMENTS}
    assert (await http.post("/api/v1/jobs", json=request)).status_code == 202
    await backdate_uploads(api, service_variables["DATABASE_URL"], user, timedelta(days=8))
    await remove_abandoned_uploads(api.services, 24)
    assert api.stored_keys(user) == [parse_uri(used)[1]]
    assert (await http.post("/api/v1/jobs", json=request | {"video": unused})).status_code == 422


async def test_uploads_of_a_killed_api_process_are_cleaned_up(
    api: ApiServer, http: httpx.AsyncClient, user: str, service_variables: dict[str, str]
) -> None:
    job = (await http.post(PROCESS_URL, files=form_files(), data=form_fields())).json()["job_id"]
    kept = set(api.stored_keys(user))
    for upload_id in (job, "of-a-killed-door"):
        prefix = f"users/{user}/jobs/{upload_id}/"
        await api.repository.create_upload(Upload(id=upload_id, user_id=user, prefix=prefix))
        api.store.put_bytes(f"{prefix}inputs/audio-9.wav", b"left", "audio/wav")
    await backdate_uploads(api, service_variables["DATABASE_URL"], user, timedelta(hours=25))
    await remove_abandoned_uploads(api.services, 24)
    assert set(api.stored_keys(user)) == kept | {f"users/{user}/jobs/{job}/inputs/audio-9.wav"}


async def test_open_uploads_per_user_are_limited(api: ApiServer, http: httpx.AsyncClient) -> None:
    answers = [await http.post(UPLOADS, json=UPLOAD_REQUEST) for _ in range(51)]
    assert [answer.status_code for answer in answers] == [201] * 50 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0


UPLOAD_REQUEST = {"file_name": "talk.mp4", "size": 2000, "content_type": "video/mp4"}
