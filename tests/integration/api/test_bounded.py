"""Validation effort and error lists are bounded, whatever the request contains."""

import json
from typing import Any, Final

import httpx
import pytest

from tests.integration.api.conftest import ApiServer
from tests.support.attack_table import FORM_END, FORM_TYPE, JOBS_URL, UPLOADS_URL, form_part, make_request
from tests.support.multipart_forms import PROCESS_URL, form_fields, form_files, video_bytes

MANY_FIELDS: Final = 80_000  # fields that fit into a body of one megabyte
MAX_RESPONSE_BYTES: Final = 64 * 1024  # bytes of a response; without a limit, these would have up to 16 MB


def problems_of(answer: httpx.Response) -> list[dict[str, str]]:
    """The errors of a rejection; checks that the response is small."""
    assert answer.status_code == 422, answer.text[:1000]
    assert len(answer.content) < MAX_RESPONSE_BYTES
    found: list[dict[str, str]] = answer.json()["problems"]
    return found


def unknown_fields(count: int) -> dict[str, Any]:
    return {f"k{number}": 1 for number in range(count)}


@pytest.mark.timeout(60)  # a linear search per field would take minutes
async def test_a_duplicate_field_is_found_among_80000(http: httpx.AsyncClient) -> None:
    body = json.dumps(unknown_fields(MANY_FIELDS)).replace(f'"k{MANY_FIELDS - 1}"', f'"k{MANY_FIELDS - 2}"')
    answer = await http.post(JOBS_URL, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert f"gives 'k{MANY_FIELDS - 2}' twice" in answer.json()["detail"]


async def test_100_of_many_problems_are_listed_and_the_rest_counted(http: httpx.AsyncClient) -> None:
    answer = await http.post(JOBS_URL, json=make_request(**unknown_fields(1000)))
    assert len(problems_of(answer)) == 100
    assert answer.json()["detail"].startswith("k0: is not a known field; remove it.")
    assert answer.json()["detail"].endswith(" There are 999 more problems.")
    assert answer.json()["omitted_problems"] == 900


async def test_exactly_100_problems_are_all_listed(http: httpx.AsyncClient) -> None:
    answer = await http.post(JOBS_URL, json=make_request(**unknown_fields(100)))
    assert len(problems_of(answer)) == 100
    assert (answer.json()["detail"].endswith(" There are 99 more problems."), answer.json()["omitted_problems"]) == (
        True,
        0,
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (JOBS_URL, make_request(**unknown_fields(MANY_FIELDS))),
        (JOBS_URL, make_request(options=unknown_fields(MANY_FIELDS))),
        (JOBS_URL, make_request(segments=[unknown_fields(400)] * 200)),
        (JOBS_URL, make_request(effects=json.dumps(json.dumps([unknown_fields(500)] * 100)))),
        ("/api/v1/lectures", {"video": "https://example.com/talk.mp4", **unknown_fields(MANY_FIELDS)}),
        (UPLOADS_URL, {"file_name": "talk.mp4", "size": 1, "content_type": "video/mp4", **unknown_fields(MANY_FIELDS)}),
        (f"{UPLOADS_URL}/x/complete", {"etags": ["a"], **unknown_fields(MANY_FIELDS)}),
        ("/submit/check", {"request": {}, "facts": {"video": None, "audio": unknown_fields(MANY_FIELDS)}}),
    ],
    ids=["a request", "options", "segments", "effects", "a lecture", "an upload", "its end", "a draft"],
)
async def test_80000_unknown_fields_get_a_one_sentence_error(
    http: httpx.AsyncClient, path: str, body: dict[str, Any]
) -> None:
    found = problems_of(await http.post(path, json=body))
    assert len(found) < 5
    assert found[0]["field"] == "request"
    assert "too many to list" in found[0]["message"]


async def test_a_draft_check_lists_at_most_100_problems(http: httpx.AsyncClient) -> None:
    body = {"request": unknown_fields(1000), "facts": {"video": None, "audio": {}}}
    answer = await http.post("/submit/check", json=body)
    assert answer.status_code == 200
    assert len(answer.json()["problems"]) == 100


@pytest.mark.parametrize("name", ["x" * 100_000, "\n" * 100_000, "é" * 100_000, "\N{GRINNING FACE}" * 50_000])
async def test_long_field_names_are_truncated(http: httpx.AsyncClient, name: str) -> None:
    [in_request] = problems_of(await http.post(JOBS_URL, json=make_request(**{name: 1})))
    [in_upload] = problems_of(
        await http.post(UPLOADS_URL, json={"file_name": "a", "size": 1, "content_type": "video/mp4", name: 1})
    )
    assert max(len(in_request["field"]), len(in_upload["field"])) < 1000


@pytest.mark.parametrize("field", ["segments", "effects", "audio"])
async def test_too_many_entries_are_one_problem(http: httpx.AsyncClient, field: str) -> None:
    found = problems_of(await http.post(JOBS_URL, json=make_request(**{field: [{}] * 20_000})))
    [problem] = [item for item in found if item["field"] == field]
    assert "has 20000 entries; at most" in problem["message"]


@pytest.mark.parametrize("field", ["segments_data", "effects"])
async def test_too_many_entries_in_a_form_are_one_problem(
    http: httpx.AsyncClient, api: ApiServer, user: str, field: str
) -> None:
    answer = await http.post(PROCESS_URL, files=form_files(), data=form_fields(**{field: json.dumps([{}] * 20_000)}))
    [problem] = [item for item in problems_of(answer) if item["field"] == field]
    assert "has 20000 entries; at most" in problem["message"]
    assert api.stored_keys(user) == []


async def test_unknown_ref_ids_get_a_bounded_response(http: httpx.AsyncClient) -> None:
    audio = [{"refId": f"{number:064}", "source": "https://example.com/1.wav"} for number in range(200)]
    segments = [{"startTime": at, "endTime": at + 1, "audioInput": {"refId": f"missing-{at}"}} for at in range(200)]
    answer = await http.post(JOBS_URL, json=make_request(audio=audio, segments=segments))
    assert answer.status_code == 422
    assert len(answer.content) < 3 * MAX_RESPONSE_BYTES


async def test_a_form_of_unknown_fields_lists_100_problems(http: httpx.AsyncClient) -> None:
    unknown_parts = b"".join(form_part(f"k{number}", b"x") for number in range(200))
    answer = await http.post(PROCESS_URL, content=unknown_parts + FORM_END, headers=FORM_TYPE)
    assert len(problems_of(answer)) == 100
    assert answer.json()["omitted_problems"] > 0


async def test_a_form_of_5000_fields_is_rejected_early(http: httpx.AsyncClient) -> None:
    content = (
        form_part("file", video_bytes(), "talk.mp4")
        + b"".join(form_part(f"k{number}", b"x") for number in range(5000))
        + FORM_END
    )
    answer = await http.post(PROCESS_URL, content=content, headers=FORM_TYPE)
    assert answer.status_code == 413
    assert len(answer.content) < 1000


@pytest.mark.parametrize("size", ["9" * 5000, "1e400", "-" + "9" * 5000, "1." + "0" * 5000])
async def test_a_5000_digit_number_is_an_ordinary_field_error(http: httpx.AsyncClient, size: str) -> None:
    body = f'{{"file_name": "talk.mp4", "size": {size}, "content_type": "video/mp4"}}'
    answer = await http.post(UPLOADS_URL, content=body, headers={"Content-Type": "application/json"})
    [problem] = problems_of(answer)
    assert problem["field"] in ("size", "body")  # "Invalid JSON: number out of range"
    assert len(problem["message"]) < 200


async def test_a_page_url_with_10000_parameters_is_too_long(api: ApiServer) -> None:
    async with httpx.AsyncClient(base_url=api.base_url) as anybody:
        assert (await anybody.get("/login?" + "a=1&" * 3000)).status_code == 200
        assert (await anybody.get("/login?" + "a=1&" * 10_000)).status_code == 414


async def test_an_oversized_sign_in_form_is_rejected(api: ApiServer) -> None:
    body = "&".join(f"k{number}=1" for number in range(MANY_FIELDS))
    headers = {"Origin": api.base_url, "Content-Type": "application/x-www-form-urlencoded"}
    async with httpx.AsyncClient(base_url=api.base_url, headers=headers) as anybody:
        assert (await anybody.post("/login", content=body)).status_code == 413
