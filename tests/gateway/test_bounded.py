"""What is asked and answered stays small, whatever is sent: the work of judging it, and the list of what is wrong."""

import json
from typing import Any, Final

import httpx
import pytest

from tests.gateway.attacking import END, FORM_TYPE, JOBS, UPLOADS, part, request
from tests.gateway.conftest import OpenDoor
from tests.gateway.forms import PROCESS, a_video, fields, files

MANY: Final = 80_000  # fields that fit into a body of a megabyte
LARGEST: Final = 64 * 1024  # bytes of an answer; without a bound, these would have up to 16 MB


def wrong_in(answer: httpx.Response) -> list[dict[str, str]]:
    """The problems of a refusal that is small."""
    assert answer.status_code == 422, answer.text[:1000]
    assert len(answer.content) < LARGEST
    found: list[dict[str, str]] = answer.json()["problems"]
    return found


def unknown(count: int) -> dict[str, Any]:
    return {f"k{number}": 1 for number in range(count)}


@pytest.mark.timeout(60)  # with a list in place of a count, this takes minutes
async def test_a_field_given_twice_is_found_among_very_many(http: httpx.AsyncClient) -> None:
    body = json.dumps(unknown(MANY)).replace(f'"k{MANY - 1}"', f'"k{MANY - 2}"')
    answer = await http.post(JOBS, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert f"gives 'k{MANY - 2}' twice" in answer.json()["detail"]


async def test_of_many_problems_a_hundred_are_listed_and_the_others_counted(http: httpx.AsyncClient) -> None:
    answer = await http.post(JOBS, json=request(**unknown(1000)))
    assert len(wrong_in(answer)) == 100
    detail = answer.json()["detail"]
    assert detail.startswith("The request has 1000 problems. The first 100 are listed; 900 more are not: k0: ")
    assert len(detail) < 3000


async def test_a_hundred_are_all_listed(http: httpx.AsyncClient) -> None:
    answer = await http.post(JOBS, json=request(**unknown(100)))
    assert len(wrong_in(answer)) == 100
    assert answer.json()["detail"].startswith("The request has 100 problems: k0: ")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (JOBS, request(**unknown(MANY))),
        (JOBS, request(options=unknown(MANY))),
        (JOBS, request(segments=[unknown(400)] * 200)),
        (JOBS, request(effects=json.dumps(json.dumps([unknown(500)] * 100)))),
        ("/api/v1/lectures", {"video": "https://example.com/talk.mp4", **unknown(MANY)}),
        (UPLOADS, {"file_name": "talk.mp4", "size": 1, "content_type": "video/mp4", **unknown(MANY)}),
        (f"{UPLOADS}/x/complete", {"etags": ["a"], **unknown(MANY)}),
        ("/submit/check", {"request": {}, "facts": {"video": None, "audio": unknown(MANY)}}),
    ],
    ids=["a request", "options", "segments", "effects", "a lecture", "an upload", "its end", "a draft"],
)
async def test_what_is_nothing_but_mistakes_is_answered_in_a_sentence(
    http: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    found = wrong_in(await http.post(path, json=body))
    assert len(found) < 5
    assert found[0]["field"] == "request"
    assert "too many to list" in found[0]["message"]


async def test_so_are_the_problems_of_a_draft(http: httpx.AsyncClient) -> None:
    body = {"request": unknown(1000), "facts": {"video": None, "audio": {}}}
    answer = await http.post("/submit/check", json=body)
    assert answer.status_code == 200
    assert len(answer.json()["problems"]) == 100


@pytest.mark.parametrize("name", ["x" * 100_000, "\n" * 100_000, "é" * 100_000, "\N{GRINNING FACE}" * 50_000])
async def test_names_of_fields_are_cut(http: httpx.AsyncClient, name: str) -> None:
    [in_request] = wrong_in(await http.post(JOBS, json=request(**{name: 1})))
    [in_upload] = wrong_in(
        await http.post(UPLOADS, json={"file_name": "a", "size": 1, "content_type": "video/mp4", name: 1})
    )
    assert max(len(in_request["field"]), len(in_upload["field"])) < 1000


@pytest.mark.parametrize("field", ["segments", "effects", "audio"])
async def test_very_many_entries_are_one_problem(http: httpx.AsyncClient, field: str) -> None:
    found = wrong_in(await http.post(JOBS, json=request(**{field: [{}] * 20_000})))
    [problem] = [item for item in found if item["field"] == field]
    assert "has 20000 entries; at most" in problem["message"]


@pytest.mark.parametrize("field", ["segments_data", "effects"])
async def test_so_are_those_in_a_form(http: httpx.AsyncClient, door: OpenDoor, user: str, field: str) -> None:
    answer = await http.post(PROCESS, files=files(), data=fields(**{field: json.dumps([{}] * 20_000)}))
    [problem] = [item for item in wrong_in(answer) if item["field"] == field]
    assert "has 20000 entries; at most" in problem["message"]
    assert door.left_of(user) == []


async def test_segments_that_name_no_audio_are_not_told_of_all_that_there_is(http: httpx.AsyncClient) -> None:
    audio = [{"refId": f"{number:064}", "source": "https://example.com/1.wav"} for number in range(200)]
    segments = [{"startTime": at, "endTime": at + 1, "audioInput": {"refId": f"missing-{at}"}} for at in range(200)]
    answer = await http.post(JOBS, json=request(audio=audio, segments=segments))
    assert answer.status_code == 422
    assert len(answer.content) < 3 * LARGEST


async def test_a_form_of_unknown_fields_is_told_of_a_hundred(http: httpx.AsyncClient) -> None:
    unknown_parts = b"".join(part(f"k{number}", b"x") for number in range(200))
    answer = await http.post(PROCESS, content=unknown_parts + END, headers=FORM_TYPE)
    assert len(wrong_in(answer)) == 100
    assert "more are not" in answer.json()["detail"]


async def test_a_form_of_thousands_of_fields_is_not_read_to_its_end(http: httpx.AsyncClient) -> None:
    content = part("file", a_video(), "talk.mp4") + b"".join(part(f"k{number}", b"x") for number in range(5000)) + END
    answer = await http.post(PROCESS, content=content, headers=FORM_TYPE)
    assert answer.status_code == 413
    assert len(answer.content) < 1000


@pytest.mark.parametrize("size", ["9" * 5000, "1e400", "-" + "9" * 5000, "1." + "0" * 5000])
async def test_a_number_without_end_is_a_mistake_like_any_other(http: httpx.AsyncClient, size: str) -> None:
    body = f'{{"file_name": "talk.mp4", "size": {size}, "content_type": "video/mp4"}}'
    answer = await http.post(UPLOADS, content=body, headers={"Content-Type": "application/json"})
    [problem] = wrong_in(answer)
    assert problem["field"] in ("size", "body")  # "Invalid JSON: number out of range"
    assert len(problem["message"]) < 200


async def test_a_page_that_is_asked_for_with_very_many_parameters_is_too_long(door: OpenDoor) -> None:
    async with httpx.AsyncClient(base_url=door.address) as anybody:
        assert (await anybody.get("/login?" + "a=1&" * 3000)).status_code == 200
        assert (await anybody.get("/login?" + "a=1&" * 10_000)).status_code == 414


async def test_who_signs_in_with_more_than_a_token_is_refused(door: OpenDoor) -> None:
    body = "&".join(f"k{number}=1" for number in range(MANY))
    headers = {"Origin": door.address, "Content-Type": "application/x-www-form-urlencoded"}
    async with httpx.AsyncClient(base_url=door.address, headers=headers) as anybody:
        assert (await anybody.post("/login", content=body)).status_code == 413
