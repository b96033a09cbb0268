"""GhostCut emulator: signatures, envelopes, and which submissions are taken."""

import json
from typing import Any

import pytest

from deployments.local.emulators.ghostcut.signing import sign
from tests.emulators.ghostcut_desk import APP_KEY, GATEWAY, GhostCutDesk, mask

BOX = (0.1, 0.6, 0.9, 0.95)


def test_the_signature_is_that_of_the_fact_sheet_s_example() -> None:
    assert sign(b'{"idWorks":["521461135"]}', "test-secret") == "ac93ef1734be4030ff2a2bb82e39a661"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"AppKey": "", "AppSign": ""}, 2001),
        ({"AppSign": ""}, 2001),
        ({"AppKey": "wrong"}, 2003),
        ({"AppSign": "0" * 32}, 2004),
    ],
)
def test_a_wrong_signature_is_an_envelope_with_http_200(
    ghostcut: GhostCutDesk, headers: dict[str, str], code: int
) -> None:
    for page in ("work/free", "work/fast", "work/status", "point/query"):
        answer = ghostcut.post(page, {}, **headers)
        assert (answer.status_code, answer.json()["code"]) == (200, code)


def test_the_signature_is_checked_over_the_bytes_that_came(ghostcut: GhostCutDesk) -> None:
    signed = json.dumps({"idWorks": [1]}).encode()
    sent = json.dumps({"idWorks": [1]}, separators=(",", ":")).encode()
    headers = {"AppKey": APP_KEY, "AppSign": sign(signed, "an-app-secret")}
    for body, code in ((signed, 1000), (sent, 2004)):
        answer = ghostcut.http.post(f"{GATEWAY}/work/status", content=body, headers=headers)
        assert answer.json()["code"] == code


@pytest.mark.parametrize("page", ["work/free", "work/fast", "work/status", "point/query"])
def test_only_post_is_taken(ghostcut: GhostCutDesk, page: str) -> None:
    answer = ghostcut.http.get(f"{GATEWAY}/{page}")
    assert (answer.status_code, answer.json()["code"]) == (200, 2002)


def test_an_accepted_submission_names_its_project_and_works(ghostcut: GhostCutDesk) -> None:
    urls = [f"{ghostcut.files}/film.mp4", f"{ghostcut.files}/clean.mp4"]
    answer = ghostcut.submit(ghostcut.body(urls=urls, names=["one", "two"]))
    assert (answer["code"], answer["msg"]) == (1000, "success")
    assert [item["url"] for item in answer["body"]["dataList"]] == urls
    ids = [item["id"] for item in answer["body"]["dataList"]]
    assert all(isinstance(number, int) and number > 470_000_000 for number in ids)
    assert 220_000_000 < answer["body"]["idProject"] < 300_000_000
    by_project = ghostcut.post("work/status", {"idProjects": [answer["body"]["idProject"]]}).json()
    assert [item["id"] for item in by_project["body"]["content"]] == ids
    assert by_project["count"] == 2


def test_ids_come_as_strings_if_so_set(ghostcut: GhostCutDesk) -> None:
    with ghostcut.program.settings(ids_as_strings=True):
        answer = ghostcut.submit(ghostcut.body())["body"]
        identity = answer["dataList"][0]["id"]
        (item,) = ghostcut.status(identity)
    assert isinstance(identity, str)
    assert isinstance(answer["idProject"], str)
    assert item["id"] == identity


def test_the_same_submission_twice_makes_two_works(ghostcut: GhostCutDesk) -> None:
    body = ghostcut.body()
    assert ghostcut.accepted(body) != ghostcut.accepted(body)


def test_both_submit_paths_take_the_same_body(ghostcut: GhostCutDesk) -> None:
    assert ghostcut.post("work/fast", ghostcut.body()).json()["code"] == 1000


@pytest.mark.parametrize("urls", [None, [], ""])
def test_missing_urls_have_a_code_of_their_own(ghostcut: GhostCutDesk, urls: Any) -> None:
    assert ghostcut.submit(ghostcut.body(urls=urls))["code"] == 3008


REGION = mask("remove", BOX)["region"]
WRONG_PARAMETERS: list[dict[str, Any]] = [
    {"videoInpaintMasks": None},
    {"videoInpaintMasks": "[]"},
    {"videoInpaintMasks": "no json"},
    {"videoInpaintMasks": json.dumps(mask("remove", BOX))},
    {"videoInpaintMasks": json.dumps([{**mask("remove", BOX), "type": "erase"}])},
    {"videoInpaintMasks": json.dumps([{"type": "remove", "region": REGION[:3]}])},
    {"videoInpaintMasks": json.dumps([{"type": "remove", "region": REGION[::-1]}])},
    {"videoInpaintMasks": json.dumps([mask("remove", BOX, start=2, end=1)])},
    {"videoInpaintMasks": json.dumps([mask("remove", BOX, end=1, to_end=1)])},
    {"videoInpaintLang": None},
    {"videoInpaintLang": "de"},
    {"needChineseOcclude": 3},
    {"names": ["one", "two"]},
    {"extraOptions": json.dumps({"write_options": {"crf": 99}})},
    {"extraOptions": json.dumps({"extra_inpaint_config": {"model": "best"}})},
]


@pytest.mark.parametrize("changes", WRONG_PARAMETERS)
def test_wrong_parameters_are_refused_or_end_with_26(ghostcut: GhostCutDesk, changes: dict[str, Any]) -> None:
    body = ghostcut.body(**changes)
    assert ghostcut.submit(body)["code"] == 4001
    with ghostcut.program.settings(parameter_errors="status"):
        work = ghostcut.ended(body)
    assert work["processStatus"] == 26
    assert work["errorDetail"]


@pytest.mark.parametrize(
    "changes",
    [
        {"videoInpaintMasks": [mask("remove", BOX)]},
        {"extraOptions": {"write_options": {"crf": 20}}},
        {"urls": ["http://x.test/a.mp4"] * 21},
        {"urls": [7]},
        {"needChineseOcclude": "2"},
        {"resolution": "4k"},
    ],
)
def test_wrong_types_are_always_refused(ghostcut: GhostCutDesk, changes: dict[str, Any]) -> None:
    with ghostcut.program.settings(parameter_errors="status"):
        assert ghostcut.submit(ghostcut.body() | changes)["code"] == 4001


def using(model: str, *masks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "videoInpaintMasks": json.dumps(masks) if masks else None,
        "extraOptions": json.dumps({"extra_inpaint_config": {"model": model}}),
        **changes,
    }


SMALL = mask("remove_only_ocr", (0.1, 0.7, 0.5, 0.9))


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        (using("advanced_lite", SMALL, SMALL), 1),
        (using("advanced_lite", mask("remove", BOX)), 26),
        (using("advanced_lite", mask("keep", BOX)), 26),
        (using("advanced_lite", *[SMALL] * 11), 26),
        (using("advanced_lite", SMALL, videoInpaintLang="en"), 26),
        (using("advanced", SMALL), 1),
        (using("advanced", SMALL, SMALL), 26),
        (using("advanced", mask("remove_only_ocr", (0, 0, 0.5, 0.5))), 26),
        (using("advanced_large_box", mask("remove_only_ocr", (0, 0, 0.5, 0.5))), 1),
        (using("advanced_large_box", mask("remove_only_ocr", (0, 0, 0.8, 0.6))), 26),
        (using("advanced_full", needChineseOcclude=1), 1),
        (using("advanced_full", SMALL), 26),
    ],
)
def test_the_finer_models_take_only_what_they_can(ghostcut: GhostCutDesk, changes: dict[str, Any], status: int) -> None:
    body = {name: value for name, value in (ghostcut.body() | changes).items() if value is not None}
    assert ghostcut.ended(body)["processStatus"] == status


def test_refused_submissions_are_in_the_books(ghostcut: GhostCutDesk) -> None:
    before = ghostcut.program.books()["refused"]
    ghostcut.submit(ghostcut.body(urls=None))
    ghostcut.post("work/free", {}, AppSign="wrong")
    refusals = ghostcut.program.books()["refusals"]
    assert [entry["code"] for entry in refusals[before:]] == ["3008", "2004"]


def test_the_status_enumeration_needs_no_signature(ghostcut: GhostCutDesk) -> None:
    answer = ghostcut.program.http.post(
        f"{ghostcut.program.url}/v-w-c/enum/query2", json={"text": "ProcessStatus"}
    ).json()
    assert answer["code"] == 1000
    assert {"code", "description", "descriptionEn", "descriptionPt"} == set(answer["body"][0])
    assert {-3, 1, 26, 73, 83} <= {item["code"] for item in answer["body"]}
