"""Attacks through the request body: malformed or misdeclared content."""

import json
import uuid

import httpx

from tests.support.attack_table import (
    BOUNDARY,
    FORM_END,
    JOBS_URL,
    UPLOADS_URL,
    Attack,
    AttackContext,
    attack_case,
    attack_cases,
    form_part,
    make_request,
)
from tests.support.multipart_forms import EFFECTS, PROCESS_URL, audio_bytes, form_fields, form_files, video_bytes

attack_cases(
    "JSON",
    (400, 413, 422),
    {
        "two megabytes": lambda scene: scene.post_json(display_name="x" * 2_000_000),
        "a hundred thousand brackets": lambda scene: scene.post_raw_json(b"[" * 100_000),
        "nested objects": lambda scene: scene.post_raw_json(b'{"effects":' * 5000 + b"1" + b"}" * 5000),
        "NaN": lambda scene: scene.post_raw_json(json.dumps(make_request(effects=[{"x": float("nan")}])).encode()),
        "a number of 5000 digits": lambda scene: scene.post_raw_json(
            json.dumps(make_request(segments=[{"startTime": 0, "endTime": 7, "audioInput": {"refId": "audio-1"}}]))
            .replace("7", "7" * 5000)
            .encode()
        ),
        "a field twice": lambda scene: scene.post_raw_json(b'{"video": "https://a/b", "video": "https://c/d"}'),
        "a list": lambda scene: scene.post_raw_json(b"[]"),
        "nothing": lambda scene: scene.post_raw_json(b""),
        "not UTF-8": lambda scene: scene.post_raw_json(b'{"display_name": "\xff\xfe"}'),
        "half a surrogate pair": lambda scene: scene.post_raw_json(
            b'{"\\ud800": "\\ud800", "display_name": "\\ud800"}'
        ),
        "NUL": lambda scene: scene.post_json(display_name="a\0b"),
        "a line break for the log": lambda scene: scene.post_json(display_name="a\nJob 1: paid"),
        "an unknown field": lambda scene: scene.post_json(is_admin=True),
        "effects encoded three times": lambda scene: scene.post_json(
            effects=json.dumps(json.dumps(json.dumps(EFFECTS)))
        ),
        "a segment without end": lambda scene: scene.post_json(segments=[{"startTime": 0, "endTime": 1e308}] * 300),
    },
)
attack_cases(
    "another type of body",
    (415,),
    {
        "text": lambda scene: scene.http.post(JOBS_URL, content=b"{}", headers={"Content-Type": "text/plain"}),
        "none": lambda scene: scene.http.post(JOBS_URL, content=b"{}"),
        "text for a batch": lambda scene: scene.http.post(
            f"{JOBS_URL.removesuffix('jobs')}batches", content=b"{}", headers={"Content-Type": "text/plain"}
        ),
        "compressed CSV": lambda scene: scene.http.post(
            f"{JOBS_URL.removesuffix('jobs')}batches",
            content=b"\x1f\x8b",
            headers={"Content-Type": "text/csv", "Content-Encoding": "gzip"},
        ),
        "text for an estimate": lambda scene: scene.http.post(
            f"{JOBS_URL}/estimate", content=b"{}", headers={"Content-Type": "text/plain"}
        ),
        "a form in the address's way": lambda scene: scene.http.post(PROCESS_URL, data=form_fields()),
        "JSON for the form": lambda scene: scene.http.post(PROCESS_URL, json=make_request()),
        "compressed form": lambda scene: scene.post_form(b"\x1f\x8b" + b"\0" * 1000, **{"Content-Encoding": "gzip"}),
        "compressed JSON": lambda scene: scene.http.post(
            JOBS_URL, content=b"\x1f\x8b", headers={"Content-Type": "application/json", "Content-Encoding": "br"}
        ),
    },
)
attack_cases(
    "a form",
    (400, 413),
    {
        "without boundary": lambda scene: scene.http.post(
            PROCESS_URL, content=b"x", headers={"Content-Type": "multipart/form-data"}
        ),
        "with a boundary of 5000 bytes": lambda scene: scene.http.post(
            PROCESS_URL, content=b"x", headers={"Content-Type": f"multipart/form-data; boundary={'x' * 5000}"}
        ),
        "with another boundary": lambda scene: scene.post_form(
            form_part("file", video_bytes()).replace(b"b0und", b"other")
        ),
        "empty": lambda scene: scene.post_form(b""),
        "without an end": lambda scene: scene.post_form(form_part("file", video_bytes(), "talk.mp4")),
        "without names": lambda scene: scene.post_form(f"--{BOUNDARY}\r\n\r\nx\r\n".encode() + FORM_END),
        "with a hundred headers": lambda scene: scene.post_form(
            f"--{BOUNDARY}\r\n".encode() + b"X-A: b\r\n" * 100 + b"\r\nx\r\n" + FORM_END
        ),
        "with a header of a megabyte": lambda scene: scene.post_form(
            form_part("file", b"x", "x" * 1_000_000) + FORM_END
        ),
        "of three hundred parts": lambda scene: scene.post_form(form_part("effects", b"[]") * 300 + FORM_END),
        "of three hundred sound files": lambda scene: scene.post_form(
            form_part("audio_files", audio_bytes(), "a.wav") * 300 + FORM_END
        ),
        "with a field of two megabytes": lambda scene: scene.post_form(
            form_part("segments_data", b"[" * 2_000_000) + FORM_END
        ),
    },
)
attack_cases(
    "in a form",
    (422,),
    {
        "bad UTF-8": lambda scene: scene.post_form(form_part("segments_data", b"[\xff\xfe]") + FORM_END),
        "two videos": lambda scene: scene.http.post(
            PROCESS_URL, files=[form_files()[0], *form_files()], data=form_fields()
        ),
        "segments twice": lambda scene: scene.post_form(form_part("segments_data", b"[]") * 2 + FORM_END),
        "an unknown field": lambda scene: scene.http.post(PROCESS_URL, files=form_files(), data=form_fields(admin="1")),
        "a field named by a script": lambda scene: scene.post_form(form_part("<script>", b"x") + FORM_END),
        "bad JSON": lambda scene: scene.http.post(PROCESS_URL, files=form_files(), data=form_fields(effects="[{")),
        "deep JSON": lambda scene: scene.http.post(
            PROCESS_URL, files=form_files(), data=form_fields(effects="[" * 100_000)
        ),
    },
)


def upload_as_video(content: bytes) -> Attack:
    return lambda scene: scene.http.post(PROCESS_URL, files=form_files(content), data=form_fields())


attack_cases(
    "a video that is",
    (422,),
    {
        "empty": lambda scene: scene.http.post(
            PROCESS_URL, files=[("file", ("talk.mp4", b"")), *form_files()[1:]], data=form_fields()
        ),
        "a few bytes": upload_as_video(b"ftyp"),
        "a zip bomb": upload_as_video(b"PK\x03\x04" + b"\0" * 1000),
        "a gzip bomb": upload_as_video(b"\x1f\x8b\x08" + b"\0" * 1000),
        "a playlist of addresses": upload_as_video(b"#EXTM3U\n#EXTINF:1,\nhttp://169.254.169.254/latest/\n"),
        "a picture of 60,000 x 60,000": upload_as_video(b"\x89PNG\r\n\x1a\n" + b"\0" * 1000),
        "a web page": upload_as_video(b"<html><script>alert(1)</script></html>"),
        "a sound": upload_as_video(audio_bytes()),
        "a program": upload_as_video(b"\x7fELF" + b"\0" * 1000),
    },
)


@attack_case("a sound file that is a web page", 422)
async def _(scene: AttackContext) -> httpx.Response:
    page = ("audio_files", ("a.wav", b"<html><script>alert(1)</script></html>"))
    return await scene.http.post(PROCESS_URL, files=[form_files()[0], page, form_files()[2]], data=form_fields())


attack_cases(
    "an upload that is announced",
    (413, 422),
    {
        "as a web page": lambda scene: start_upload(scene, content_type="text/html"),
        "with a line break in its type": lambda scene: start_upload(scene, content_type="video/mp4\r\nX: y"),
        "without size": lambda scene: start_upload(scene, size=0),
        "with less than nothing": lambda scene: start_upload(scene, size=-1),
        "larger than all disks": lambda scene: start_upload(scene, size=10**30),
        "larger than allowed": lambda scene: start_upload(scene, size=60 * 1024**3),
        "with a size in words": lambda scene: start_upload(scene, size="many"),
        "with a name of 5000 letters": lambda scene: start_upload(scene, file_name="x" * 5000),
        "with 20,000 parts": lambda scene: scene.http.post(f"{UPLOADS_URL}/x/complete", json={"etags": ["x"] * 20_000}),
    },
)


async def start_upload(attack_context: AttackContext, **changes: object) -> httpx.Response:
    wanted: dict[str, object] = {"file_name": "talk.mp4", "size": 2000, "content_type": "video/mp4"}
    return await attack_context.http.post(UPLOADS_URL, json=wanted | changes)


def post_with_key(key: bytes) -> Attack:
    return lambda scene: scene.http.post(JOBS_URL, json=make_request(), headers=[(b"Idempotency-Key", key)])


attack_cases(
    "a key that is",
    (422,),
    {"empty": post_with_key(b""), "very long": post_with_key(b"x" * 5000), "not ASCII": post_with_key(b"\xff\xfe")},
)


@attack_case("a key that was used for something else", 409)
async def _(scene: AttackContext) -> httpx.Response:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = await scene.http.post(JOBS_URL, json=make_request(), headers=key)
    scene.api.prefect.started.remove(first.json()["job_id"])
    return await scene.http.post(JOBS_URL, json=make_request(effects=[]), headers=key)
