"""Attacks by what is sent: bodies that are not what they say."""

import json
import uuid

import httpx

from tests.gateway.attacking import BOUNDARY, END, JOBS, UPLOADS, Scene, Try, part, request, row, rows
from tests.gateway.forms import EFFECTS, PROCESS, a_sound, a_video, fields, files

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
