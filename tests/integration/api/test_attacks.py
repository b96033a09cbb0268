"""Attacks on the API, row by row: each is rejected with the right error or does no harm.

After every row: the error exposes no internals, nothing is left in the store, no run was started.
"""

from typing import Final

import httpx
import pytest

from tests.integration.api.conftest import ApiServer, wait_until
from tests.integration.api.test_jobs import create_job as job_opened
from tests.support import attacks_basic_editor, attacks_by_body, attacks_by_name, decompression_bombs
from tests.support.attack_table import ATTACKS, JOBS_URL, UPLOADS_URL, Attack, AttackContext
from tests.support.multipart_forms import PROCESS_URL, form_fields, form_files, video_bytes
from videojobs.errors import InvalidMedia
from videojobs.media.probe import probe_video
from videojobs.storage.object_store import parse_uri

__all__ = ["attacks_basic_editor", "attacks_by_body", "attacks_by_name"]  # importing them fills the table

INTERNAL_TERMS: Final = (
    "Traceback",
    "psycopg",
    "sqlalchemy",
    "botocore",
    "/deployments/",
    "s3://videojobs",
    "postgres",
)


@pytest.fixture
async def attack_context(api: ApiServer, http: httpx.AsyncClient, user: str) -> AttackContext:
    job = await job_opened(api, "victim")
    async with await api.create_client("victim") as victim:
        wanted = {"file_name": "talk.mp4", "size": 2000, "content_type": "video/mp4"}
        upload = (await victim.post(UPLOADS_URL, json=wanted)).json()
        sent = await victim.put(upload["parts"][0], content=video_bytes(), headers={"Authorization": ""})
        done = await victim.post(
            f"{UPLOADS_URL}/{upload['upload_id']}/complete", json={"etags": [sent.headers["ETag"]]}
        )
    # A flood of failures from one address is a separate attack (below).
    api.app_state.auth_failure_buckets._buckets.clear()
    return AttackContext(api, http, user, job.id, upload["upload_id"], done.json()["source"])


@pytest.mark.parametrize(("attack", "statuses"), ATTACKS)
async def test_an_attack_is_rejected(attack_context: AttackContext, attack: Attack, statuses: tuple[int, ...]) -> None:
    answer = await attack(attack_context)
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert not [inside for inside in INTERNAL_TERMS if inside in answer.text]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    await wait_until(lambda: attack_context.api.app_state.upload_pool.is_empty)
    assert attack_context.api.stored_keys(attack_context.user) == []
    assert (
        attack_context.api.prefect.started
        == attack_context.api.prefect.stopped
        == attack_context.api.prefect.retried
        == []
    )
    assert (await attack_context.api.repository.get_job(attack_context.victim_job)).status == "pending"


def test_the_attack_table_has_at_least_40_rows() -> None:
    assert len(ATTACKS) >= 40


# ---- accepted, and harmless --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..\\..\\x", "a\0b.mp4", "x\r\ny.mp4", "con.mp4", "", "é" * 500]
)
async def test_a_file_name_never_enters_the_object_key(
    api: ApiServer, http: httpx.AsyncClient, user: str, name: str
) -> None:
    sent = [("file", (name, video_bytes())), *form_files()[1:]]
    answer = await http.post(PROCESS_URL, files=sent, data=form_fields())
    assert answer.status_code == 202, answer.text
    prefix = f"users/{user}/jobs/{answer.json()['job_id']}/inputs/"
    assert sorted(api.stored_keys(user)) == [prefix + end for end in ("audio-1.wav", "audio-2.wav", "video.mp4")]


@pytest.mark.parametrize(
    "bomb",
    [
        decompression_bombs.huge_sample_table(),
        decompression_bombs.huge_fragment_table(),
        decompression_bombs.compressed_index_bomb(),
    ],
    ids=["index", "fragment", "packed"],
)
async def test_a_decompression_bomb_is_stored_unexpanded(api: ApiServer, http: httpx.AsyncClient, bomb: bytes) -> None:
    answer = await http.post(PROCESS_URL, files=form_files(bomb), data=form_fields())
    assert answer.status_code == 202, answer.text
    video = (await api.repository.get_job(answer.json()["job_id"])).request["video"]
    with pytest.raises(InvalidMedia, match="index"):
        probe_video(api.store.open(parse_uri(video)[1]))


async def test_a_display_name_with_markup_is_returned_as_data(http: httpx.AsyncClient) -> None:
    name = "<script>alert(1)</script>'; DROP TABLE video_jobs; --"
    answer = await http.post(PROCESS_URL, files=form_files(), data=form_fields(display_name=name))
    job = await http.get(f"{JOBS_URL}/{answer.json()['job_id']}")
    assert job.json()["display_name"] == name
    assert job.headers["content-type"] == "application/json"
