"""What somebody may try at the front door, row by row: each is refused in the right words or does no harm.

After every row: the answer is a problem without insides, nothing is left in the storage, no run was started.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from tests.gateway.conftest import OpenDoor, opened, until
from tests.gateway.forms import EFFECTS, PROCESS, SEGMENTS, a_sound, a_video, fields, files
from tests.gateway.test_jobs import opened as job_opened
from videojobs.ledger.tokens import Scope

API: Final = "/api/v1"
JOBS: Final = f"{API}/jobs"
UPLOADS: Final = f"{API}/uploads"
BOUNDARY: Final = "b0und"
FORM_TYPE: Final = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@dataclass(frozen=True)
class Scene:
    """An attacker with a token of its own, and a victim."""

    door: OpenDoor
    http: httpx.AsyncClient
    user: str
    victims_job: str
    victims_upload: str
    victims_source: str

    async def form(self, content: bytes, **headers: str) -> httpx.Response:
        return await self.http.post(PROCESS, content=content, headers=FORM_TYPE | headers)

    async def json(self, **changes: object) -> httpx.Response:
        return await self.http.post(JOBS, json=request(**changes))

    async def raw_json(self, content: bytes) -> httpx.Response:
        return await self.http.post(JOBS, content=content, headers={"Content-Type": "application/json"})

    async def without_token(self, **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.door.address, headers=headers) as anybody:
            return await anybody.get(JOBS)

    async def with_cookie(self, **headers: str) -> httpx.Response:
        """A change that a browser sends, on whoever's page."""
        cookies = {"token": await self.door.token(self.user)}
        async with httpx.AsyncClient(base_url=self.door.address, cookies=cookies, headers=headers) as browser:
            return await browser.post(f"{JOBS}/{self.victims_job}/cancel")


def request(**changes: object) -> dict[str, object]:
    return {
        "video": "https://example.com/talk.mp4",
        "audio": [{"refId": f"audio-{i}", "source": f"https://example.com/{i}.wav"} for i in (1, 2)],
        "segments": SEGMENTS,
        "effects": EFFECTS,
    } | changes


def part(name: str, content: bytes, file_name: str | None = None) -> bytes:
    file = f'; filename="{file_name}"' if file_name is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


END: Final = f"--{BOUNDARY}--\r\n".encode()
Try = Callable[[Scene], Awaitable[httpx.Response]]
_ROWS: list[Any] = []


def row(name: str, *statuses: int) -> Callable[[Try], Try]:
    """One attack, and the statuses that are right answers to it."""

    def add(attack: Try) -> Try:
        _ROWS.append(pytest.param(attack, statuses, id=name))
        return attack

    return add


def rows(name: str, statuses: tuple[int, ...], attempts: dict[str, Try]) -> None:
    for what, attack in attempts.items():
        row(f"{name}: {what}", *statuses)(attack)


def get(path: str, **params: str) -> Try:
    return lambda scene: scene.http.get(path, params=params)


# ---- ids, cursors, paths -----------------------------------------------------------------------------------

rows(
    "a job id that is none",
    (404,),
    {
        name: get(f"{JOBS}/{quote(job_id, safe='')}")
        for name, job_id in {
            "traversal": "../../../../etc/passwd",
            "NUL": "x\0y",
            "SQL": "' OR '1'='1",
            "line break": "x\r\nSet-Cookie: a=b",
            "very long": "x" * 8000,
            "not ASCII": "jöb",
            "bad UTF-8": "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),
        }.items()
    },
)
rows(
    "a parameter that is none",
    (422,),
    {
        "what": get(f"{JOBS}/x/download", what="../../etc/passwd"),
        "cursor": get(JOBS, cursor="' OR 1=1"),
        "cursor of another form": get(JOBS, cursor="MjAyNi0wMS0wMSB4"),
        "cursor with NUL": get(JOBS, cursor="MjAyNi0wMS0wMVQwMDowMDowMCswMDowMCB4AHk="),
        "limit too small": get(JOBS, limit="-1"),
        "limit too large": get(JOBS, limit="1000000000"),
        "limit of 5000 digits": get(JOBS, limit="9" * 5000),
        "user": get(JOBS, user="../grace"),
        "status": get(JOBS, status="completed' --"),
    },
)
rows(
    "a path that leads elsewhere",
    (404,),
    {
        "up": get("/api/v1/%2e%2e/%2e%2e/etc/passwd"),
        "twice": get("//api/v1/jobs"),
        "documentation": get("/docs"),
    },
)
rows(
    "another method",
    (405,),
    {method: lambda scene, method=method: scene.http.request(method, JOBS) for method in ("PUT", "DELETE", "TRACE")},  # type: ignore[misc]
)


# ---- tokens ------------------------------------------------------------------------------------------------

rows(
    "no valid token",
    (401,),
    {
        "none": lambda scene: scene.without_token(),
        "guessed": lambda scene: scene.without_token(Authorization=f"Bearer vj_{'x' * 43}"),
        "SQL": lambda scene: scene.without_token(Authorization="Bearer ' OR '1'='1"),
        "basic": lambda scene: scene.without_token(Authorization="Basic YWRtaW46YWRtaW4="),
        "very long": lambda scene: scene.without_token(Authorization=f"Bearer {'x' * 10_000}"),
        "empty": lambda scene: scene.without_token(Authorization="Bearer"),
        "a hash of one": lambda scene: scene.without_token(Authorization=f"Bearer {'0' * 64}"),
    },
)


@row("a valid token in the address", 401)
async def _(scene: Scene) -> httpx.Response:
    token = await scene.door.token(scene.user)
    async with httpx.AsyncClient(base_url=scene.door.address) as anybody:
        return await anybody.get(JOBS, params={"token": token, "access_token": token})


@row("a revoked token", 401)
async def _(scene: Scene) -> httpx.Response:
    token, text = await scene.door.ledger.create_token(scene.user, [Scope.READ], "")
    await scene.door.ledger.revoke_token(token.id)
    return await scene.without_token(Authorization=f"Bearer {text}")


@row("a reader's token starts a job", 403)
async def _(scene: Scene) -> httpx.Response:
    async with await scene.door.client(scene.user, Scope.READ) as reader:
        return await reader.post(JOBS, json=request())


@row("a submitter's token reads", 403)
async def _(scene: Scene) -> httpx.Response:
    async with await scene.door.client(scene.user, Scope.SUBMIT) as submitter:
        return await submitter.get(JOBS)


rows(
    "another site's page makes a change by the cookie",
    (403,),
    {
        "without Origin": lambda scene: scene.with_cookie(),
        "its Origin": lambda scene: scene.with_cookie(Origin="https://evil.example"),
        "Origin null": lambda scene: scene.with_cookie(Origin="null"),
        "Origin that is no address": lambda scene: scene.with_cookie(Origin="http://["),
        "Origin that begins alike": lambda scene: scene.with_cookie(Origin=f"{scene.door.address}.evil.example"),
    },
)


# ---- other people's things ---------------------------------------------------------------------------------

rows(
    "somebody else's job",
    (404,),
    {
        "status": lambda scene: scene.http.get(f"{API}/video-editors/pro-job/{scene.victims_job}/status"),
        "details": lambda scene: scene.http.get(f"{JOBS}/{scene.victims_job}"),
        "download": lambda scene: scene.http.get(f"{JOBS}/{scene.victims_job}/download"),
        "events": lambda scene: scene.http.get(f"{JOBS}/{scene.victims_job}/events"),
        "cancel": lambda scene: scene.http.post(f"{JOBS}/{scene.victims_job}/cancel"),
        "retry": lambda scene: scene.http.post(f"{JOBS}/{scene.victims_job}/retry"),
    },
)
rows(
    "somebody else's files",
    (404, 422),
    {
        "completing the upload": lambda scene: scene.http.post(
            f"{UPLOADS}/{scene.victims_upload}/complete", json={"etags": ["x"]}
        ),
        "the upload as a source": lambda scene: scene.json(video=scene.victims_source),
        "by a path through one's own": lambda scene: scene.json(
            video=f"s3://{scene.door.store.bucket}/users/{scene.user}/uploads/../../victim/x.mp4"
        ),
        "another bucket": lambda scene: scene.json(video="s3://backups/database.mp4"),
        "S3 in capitals": lambda scene: scene.json(video=scene.victims_source.replace("s3:", "S3:")),
    },
)
rows(
    "in somebody else's name",
    (403, 422),
    {
        "JSON": lambda scene: scene.json(user_id="victim"),
        "JSON, no text": lambda scene: scene.json(user_id={"$ne": ""}),
        "form": lambda scene: scene.http.post(PROCESS, files=files(), data=fields(user_id="victim")),
        "list": get(JOBS, user="victim"),
    },
)
rows(
    "a source on the server",
    (422,),
    {
        "path": lambda scene: scene.json(video="/etc/passwd"),
        "file": lambda scene: scene.json(video="file:///etc/passwd"),
        "drive": lambda scene: scene.json(video="C:\\Windows\\win.ini"),
        "script": lambda scene: scene.json(video="javascript:alert(1)"),
        "with a password": lambda scene: scene.json(video="https://a:b@example.com/x.mp4"),
    },
)


# ---- bodies that are not what they say ---------------------------------------------------------------------

rows(
    "JSON",
    (400, 413, 422),
    {
        "two megabytes": lambda scene: scene.json(display_name="x" * 2_000_000),
        "a hundred thousand brackets": lambda scene: scene.raw_json(b"[" * 100_000),
        "nested objects": lambda scene: scene.raw_json(b'{"effects":' * 5000 + b"1" + b"}" * 5000),
        "NaN": lambda scene: scene.raw_json(json.dumps(request(effects=[{"x": float("nan")}])).encode()),
        "a number of 5000 digits": lambda scene: scene.raw_json(
            json.dumps(request(segments=[{"startTime": 0, "endTime": 7, "audioInput": {"refId": "audio-1"}}]))
            .replace("7", "7" * 5000)
            .encode()
        ),
        "a field twice": lambda scene: scene.raw_json(b'{"video": "https://a/b", "video": "https://c/d"}'),
        "a list": lambda scene: scene.raw_json(b"[]"),
        "nothing": lambda scene: scene.raw_json(b""),
        "not UTF-8": lambda scene: scene.raw_json(b'{"display_name": "\xff\xfe"}'),
        "half a surrogate pair": lambda scene: scene.raw_json(b'{"\\ud800": "\\ud800", "display_name": "\\ud800"}'),
        "NUL": lambda scene: scene.json(display_name="a\0b"),
        "a line break for the log": lambda scene: scene.json(display_name="a\nJob 1: paid"),
        "an unknown field": lambda scene: scene.json(is_admin=True),
        "effects encoded three times": lambda scene: scene.json(effects=json.dumps(json.dumps(json.dumps(EFFECTS)))),
        "a segment without end": lambda scene: scene.json(segments=[{"startTime": 0, "endTime": 1e308}] * 300),
    },
)
rows(
    "another type of body",
    (415,),
    {
        "text": lambda scene: scene.http.post(JOBS, content=b"{}", headers={"Content-Type": "text/plain"}),
        "none": lambda scene: scene.http.post(JOBS, content=b"{}"),
        "a form in the address's way": lambda scene: scene.http.post(PROCESS, data=fields()),
        "JSON for the form": lambda scene: scene.http.post(PROCESS, json=request()),
        "compressed form": lambda scene: scene.form(b"\x1f\x8b" + b"\0" * 1000, **{"Content-Encoding": "gzip"}),
        "compressed JSON": lambda scene: scene.http.post(
            JOBS, content=b"\x1f\x8b", headers={"Content-Type": "application/json", "Content-Encoding": "br"}
        ),
    },
)
rows(
    "a form",
    (400, 413),
    {
        "without boundary": lambda scene: scene.http.post(
            PROCESS, content=b"x", headers={"Content-Type": "multipart/form-data"}
        ),
        "with a boundary of 5000 bytes": lambda scene: scene.http.post(
            PROCESS, content=b"x", headers={"Content-Type": f"multipart/form-data; boundary={'x' * 5000}"}
        ),
        "with another boundary": lambda scene: scene.form(part("file", a_video()).replace(b"b0und", b"other")),
        "empty": lambda scene: scene.form(b""),
        "without an end": lambda scene: scene.form(part("file", a_video(), "talk.mp4")),
        "without names": lambda scene: scene.form(f"--{BOUNDARY}\r\n\r\nx\r\n".encode() + END),
        "with a hundred headers": lambda scene: scene.form(
            f"--{BOUNDARY}\r\n".encode() + b"X-A: b\r\n" * 100 + b"\r\nx\r\n" + END
        ),
        "with a header of a megabyte": lambda scene: scene.form(part("file", b"x", "x" * 1_000_000) + END),
        "of three hundred parts": lambda scene: scene.form(part("effects", b"[]") * 300 + END),
        "of three hundred sound files": lambda scene: scene.form(part("audio_files", a_sound(), "a.wav") * 300 + END),
        "with a field of two megabytes": lambda scene: scene.form(part("segments_data", b"[" * 2_000_000) + END),
    },
)
rows(
    "in a form",
    (422,),
    {
        "bad UTF-8": lambda scene: scene.form(part("segments_data", b"[\xff\xfe]") + END),
        "two videos": lambda scene: scene.http.post(PROCESS, files=[files()[0], *files()], data=fields()),
        "segments twice": lambda scene: scene.form(part("segments_data", b"[]") * 2 + END),
        "an unknown field": lambda scene: scene.http.post(PROCESS, files=files(), data=fields(admin="1")),
        "a field named by a script": lambda scene: scene.form(part("<script>", b"x") + END),
        "bad JSON": lambda scene: scene.http.post(PROCESS, files=files(), data=fields(effects="[{")),
        "deep JSON": lambda scene: scene.http.post(PROCESS, files=files(), data=fields(effects="[" * 100_000)),
        "a script as the name": lambda scene: scene.http.post(
            PROCESS, files=files(), data=fields(display_name="a\r\nSet-Cookie: x=y")
        ),
    },
)


def as_video(content: bytes) -> Try:
    return lambda scene: scene.http.post(PROCESS, files=files(content), data=fields())


rows(
    "a video that is",
    (422,),
    {
        "empty": lambda scene: scene.http.post(
            PROCESS, files=[("file", ("talk.mp4", b"")), *files()[1:]], data=fields()
        ),
        "a few bytes": as_video(b"ftyp"),
        "a zip bomb": as_video(b"PK\x03\x04" + b"\0" * 1000),
        "a gzip bomb": as_video(b"\x1f\x8b\x08" + b"\0" * 1000),
        "a playlist of addresses": as_video(b"#EXTM3U\n#EXTINF:1,\nhttp://169.254.169.254/latest/\n"),
        "a picture of 60,000 x 60,000": as_video(b"\x89PNG\r\n\x1a\n" + b"\0" * 1000),
        "a web page": as_video(b"<html><script>alert(1)</script></html>"),
        "a sound": as_video(a_sound()),
        "a program": as_video(b"\x7fELF" + b"\0" * 1000),
    },
)


@row("a sound file that is a web page", 422)
async def _(scene: Scene) -> httpx.Response:
    page = ("audio_files", ("a.wav", b"<html><script>alert(1)</script></html>"))
    return await scene.http.post(PROCESS, files=[files()[0], page, files()[2]], data=fields())


rows(
    "an upload that is announced",
    (413, 422),
    {
        "as a web page": lambda scene: begin(scene, content_type="text/html"),
        "with a line break in its type": lambda scene: begin(scene, content_type="video/mp4\r\nX: y"),
        "without size": lambda scene: begin(scene, size=0),
        "with less than nothing": lambda scene: begin(scene, size=-1),
        "larger than all disks": lambda scene: begin(scene, size=10**30),
        "larger than allowed": lambda scene: begin(scene, size=60 * 1024**3),
        "with a size in words": lambda scene: begin(scene, size="many"),
        "with a name of 5000 letters": lambda scene: begin(scene, file_name="x" * 5000),
        "with 20,000 parts": lambda scene: scene.http.post(f"{UPLOADS}/x/complete", json={"etags": ["x"] * 20_000}),
    },
)


async def begin(scene: Scene, **changes: object) -> httpx.Response:
    wanted: dict[str, object] = {"file_name": "talk.mp4", "size": 2000, "content_type": "video/mp4"}
    return await scene.http.post(UPLOADS, json=wanted | changes)


def with_key(key: bytes) -> Try:
    return lambda scene: scene.http.post(JOBS, json=request(), headers=[(b"Idempotency-Key", key)])


rows(
    "a key that is",
    (422,),
    {"empty": with_key(b""), "very long": with_key(b"x" * 5000), "not ASCII": with_key(b"\xff\xfe")},
)


@row("a key that was used for something else", 409)
async def _(scene: Scene) -> httpx.Response:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = await scene.http.post(JOBS, json=request(), headers=key)
    scene.door.prefect.started.remove(first.json()["job_id"])
    return await scene.http.post(JOBS, json=request(effects=[]), headers=key)


# ---- the table ---------------------------------------------------------------------------------------------

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


@pytest.mark.parametrize(("attack", "statuses"), _ROWS)
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
    assert len(_ROWS) >= 40


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


async def test_a_name_with_markup_is_given_back_as_data(http: httpx.AsyncClient) -> None:
    name = "<script>alert(1)</script>'; DROP TABLE video_jobs; --"
    answer = await http.post(PROCESS, files=files(), data=fields(display_name=name))
    job = await http.get(f"{JOBS}/{answer.json()['job_id']}")
    assert job.json()["display_name"] == name
    assert job.headers["content-type"] == "application/json"


# ---- doors with tighter settings ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def strict(ground_variables: dict[str, str]) -> AsyncIterator[OpenDoor]:
    """Small limits, so that they are met soon."""
    with opened(
        ground_variables,
        upload_stall_seconds=0.5,
        upload_slowest=10_000,
        form_bytes=100_000,
        requests_per_minute=20,
        failures_per_minute=5,
        uploads_at_once=2,
    ) as door:
        yield door


@asynccontextmanager
async def slow_form(door: OpenDoor, user: str, pause: float, size: int) -> AsyncIterator[asyncio.StreamReader]:
    """A form that never ends: after each pause comes a little more of its video. Gives what the door answers."""
    host, port = door.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {PROCESS} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM_TYPE['Content-Type']}\r\n"
    head += f"Authorization: Bearer {await door.token(user)}\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())

    async def send() -> None:
        piece = part("file", a_video(), "talk.mp4").removesuffix(b"\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                await writer.drain()
                await asyncio.sleep(pause)
                piece = b"v" * size

    sending = asyncio.create_task(send())
    try:
        yield reader
    finally:
        sending.cancel()
        writer.close()


async def answered(reader: asyncio.StreamReader) -> bytes:
    """All of an answer, after which the door closes the connection."""
    async with asyncio.timeout(15):
        return await reader.read()


@pytest.mark.parametrize(("pause", "size"), [(30, 1), (0.1, 10)], ids=["it stalls", "it trickles"])
async def test_an_upload_that_comes_too_slowly_is_ended(strict: OpenDoor, user: str, pause: float, size: int) -> None:
    async with slow_form(strict, user, pause, size) as reader:
        answer = await answered(reader)
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert b"application/problem+json" in answer
    assert strict.left_of(user) == []


async def test_a_body_that_never_ends_is_ended_at_the_limit(strict: OpenDoor, user: str) -> None:
    async with slow_form(strict, user, 0.01, 5000) as reader:
        assert (await answered(reader)).startswith(b"HTTP/1.1 413 ")
    assert strict.left_of(user) == []


async def test_more_uploads_than_there_is_room_for_are_asked_to_come_again(strict: OpenDoor, user: str) -> None:
    others = [f"{user}-2", f"{user}-3"]
    async with slow_form(strict, user, 30, 1) as first, await strict.client(user) as http:
        await until(lambda: not strict.front.room.is_empty)
        assert (await http.post(PROCESS, files=files(), data=fields())).status_code == 429, (
            "half of the room is for others"
        )
        async with slow_form(strict, others[0], 30, 1), await strict.client(others[1]) as third:
            await until(lambda: strict.front.room.is_full)
            answer = await third.post(PROCESS, files=files(), data=fields())
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
        assert (await answered(first)).startswith(b"HTTP/1.1 408 ")


async def test_a_token_that_asks_too_often_is_slowed_down_and_others_are_not(strict: OpenDoor, user: str) -> None:
    async with await strict.client(user) as hasty, await strict.client(f"{user}-2") as other:
        answers = [await hasty.get(JOBS) for _ in range(25)]
        assert {answer.status_code for answer in answers} == {200, 429}
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert (await other.get(JOBS)).status_code == 200


async def test_an_address_that_guesses_tokens_is_slowed_down(strict: OpenDoor) -> None:
    async with httpx.AsyncClient(base_url=strict.address) as guesser:
        tries = [await guesser.get(JOBS, headers={"Authorization": f"Bearer {uuid.uuid4()}"}) for _ in range(7)]
    strict.front.failures._buckets.clear()
    assert [answer.status_code for answer in tries] == [401] * 5 + [429] * 2
    assert "Retry-After" in tries[-1].headers


# ---- below HTTP's surface ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        "GET /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /",
        "GET /api/v1/jobs HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\0d\r\n\r\n",
        "POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "GET /api/v1/jobs HTTP/9.9\r\n\r\n",
        "G" * 100_000,
    ],
    ids=["two lengths", "control characters", "less than nothing", "no HTTP", "an endless line"],
)
async def test_what_is_no_http_gets_no_further(door: OpenDoor, head: str) -> None:
    assert await status_of(door, head) in (400, 401)


async def status_of(door: OpenDoor, head: str) -> int:
    """Of the answer to these bytes, after which the client only waits."""
    host, port = door.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode())
    async with asyncio.timeout(10):
        status = await reader.readline()
    writer.close()
    return int(status.split()[1])


@pytest.mark.parametrize("expects", ["", "Expect: 100-continue\r\n"])
async def test_a_form_that_says_it_has_60_gb_is_refused_before_it_is_sent(
    door: OpenDoor, user: str, expects: str
) -> None:
    head = (
        f"POST {PROCESS} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM_TYPE['Content-Type']}\r\n{expects}"
        f"Authorization: Bearer {await door.token(user)}\r\nContent-Length: {60 * 1024**3}\r\n\r\n"
    )
    assert await status_of(door, head) == 413
