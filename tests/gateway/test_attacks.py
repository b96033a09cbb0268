"""What somebody may try at the front door, row by row: each is refused in the right words or does no harm.

After every row: the answer is a problem without insides, nothing is left in the storage, no run was started.
"""

from typing import Final

import httpx
import pytest

from tests.gateway import attacks_by_body, attacks_by_name
from tests.gateway.attacking import JOBS, ROWS, UPLOADS, Scene, Try
from tests.gateway.conftest import OpenDoor, until
from tests.gateway.forms import PROCESS, a_video, fields, files
from tests.gateway.test_jobs import opened as job_opened
from tests.media import bombs
from videojobs.errors import InvalidMedia
from videojobs.media.probe import inspect_video
from videojobs.media.store import parse_uri

__all__ = ["attacks_by_body", "attacks_by_name"]  # they fill the table

INSIDES: Final = ("Traceback", "psycopg", "sqlalchemy", "botocore", "/deployments/", "s3://videojobs", "postgres")


@pytest.fixture
async def scene(door: OpenDoor, http: httpx.AsyncClient, user: str) -> Scene:
    job = await job_opened(door, "victim")
    async with await door.client("victim") as victim:
        wanted = {"file_name": "talk.mp4", "size": 2000, "content_type": "video/mp4"}
        upload = (await victim.post(UPLOADS, json=wanted)).json()
        sent = await victim.put(upload["parts"][0], content=a_video(), headers={"Authorization": ""})
        done = await victim.post(f"{UPLOADS}/{upload['upload_id']}/complete", json={"etags": [sent.headers["ETag"]]})
    # A flood of failures from one address is an attack of its own (below).
    door.front.failures._buckets.clear()
    return Scene(door, http, user, job.id, upload["upload_id"], done.json()["source"])


@pytest.mark.parametrize(("attack", "statuses"), ROWS)
async def test_an_attack_is_refused(scene: Scene, attack: Try, statuses: tuple[int, ...]) -> None:
    answer = await attack(scene)
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert not [inside for inside in INSIDES if inside in answer.text]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    await until(lambda: scene.door.front.room.is_empty)
    assert scene.door.left_of(scene.user) == []
    assert scene.door.prefect.started == scene.door.prefect.stopped == scene.door.prefect.retried == []
    assert (await scene.door.ledger.job(scene.victims_job)).status == "pending"


def test_the_table_has_at_least_forty_rows() -> None:
    assert len(ROWS) >= 40


# ---- what is let in, and does no harm ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..\\..\\x", "a\0b.mp4", "x\r\ny.mp4", "con.mp4", "", "é" * 500]
)
async def test_a_files_name_never_becomes_a_part_of_its_place(
    door: OpenDoor, http: httpx.AsyncClient, user: str, name: str
) -> None:
    sent = [("file", (name, a_video())), *files()[1:]]
    answer = await http.post(PROCESS, files=sent, data=fields())
    assert answer.status_code == 202, answer.text
    prefix = f"users/{user}/jobs/{answer.json()['job_id']}/inputs/"
    assert sorted(door.left_of(user)) == [prefix + end for end in ("audio-1.wav", "audio-2.wav", "video.mp4")]


@pytest.mark.parametrize(
    "bomb", [bombs.endless_index(), bombs.endless_fragment(), bombs.packed_index()], ids=["index", "fragment", "packed"]
)
async def test_a_bomb_is_stored_as_the_bytes_that_it_is_and_does_not_go_off_in_the_jobs_run(
    door: OpenDoor, http: httpx.AsyncClient, bomb: bytes
) -> None:
    answer = await http.post(PROCESS, files=files(bomb), data=fields())
    assert answer.status_code == 202, answer.text
    video = (await door.ledger.job(answer.json()["job_id"])).request["video"]
    with pytest.raises(InvalidMedia, match="index"):
        inspect_video(door.store.open(parse_uri(video)[1]))


async def test_a_name_with_markup_is_given_back_as_data(http: httpx.AsyncClient) -> None:
    name = "<script>alert(1)</script>'; DROP TABLE video_jobs; --"
    answer = await http.post(PROCESS, files=files(), data=fields(display_name=name))
    job = await http.get(f"{JOBS}/{answer.json()['job_id']}")
    assert job.json()["display_name"] == name
    assert job.headers["content-type"] == "application/json"
