"""GhostCut emulator: signatures, envelopes, and which submissions are accepted."""

import json
from typing import Any

import pytest

from deployments.local.emulators.ghostcut.signing import sign
from tests.support.ghostcut_emulator import APP_KEY, BASE_PATH, GhostCutEmulatorClient, make_mask

BOX = (0.1, 0.6, 0.9, 0.95)


def test_the_signature_matches_the_documented_example() -> None:
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
def test_a_wrong_signature_gives_http_200_with_an_error_code(
    ghostcut: GhostCutEmulatorClient, headers: dict[str, str], code: int
) -> None:
    for page in ("work/free", "work/fast", "work/status", "point/query"):
        answer = ghostcut.post_signed(page, {}, **headers)
        assert (answer.status_code, answer.json()["code"]) == (200, code)


def test_the_signature_covers_the_exact_bytes_received(ghostcut: GhostCutEmulatorClient) -> None:
    signed = json.dumps({"idWorks": [1]}).encode()
    sent = json.dumps({"idWorks": [1]}, separators=(",", ":")).encode()
    headers = {"AppKey": APP_KEY, "AppSign": sign(signed, "an-app-secret")}
    for body, code in ((signed, 1000), (sent, 2004)):
        answer = ghostcut.http.post(f"{BASE_PATH}/work/status", content=body, headers=headers)
        assert answer.json()["code"] == code


@pytest.mark.parametrize("page", ["work/free", "work/fast", "work/status", "point/query"])
def test_only_post_is_accepted(ghostcut: GhostCutEmulatorClient, page: str) -> None:
    answer = ghostcut.http.get(f"{BASE_PATH}/{page}")
    assert (answer.status_code, answer.json()["code"]) == (200, 2002)


def test_an_accepted_submission_names_its_project_and_works(ghostcut: GhostCutEmulatorClient) -> None:
    urls = [f"{ghostcut.files}/film.mp4", f"{ghostcut.files}/clean.mp4"]
    answer = ghostcut.submit(ghostcut.make_body(urls=urls, names=["one", "two"]))
    assert (answer["code"], answer["msg"]) == (1000, "success")
    assert [item["url"] for item in answer["body"]["dataList"]] == urls
    ids = [item["id"] for item in answer["body"]["dataList"]]
    assert all(isinstance(number, int) and number > 470_000_000 for number in ids)
    assert 220_000_000 < answer["body"]["idProject"] < 300_000_000
    by_project = ghostcut.post_signed("work/status", {"idProjects": [answer["body"]["idProject"]]}).json()
    assert [item["id"] for item in by_project["body"]["content"]] == ids
    assert by_project["count"] == 2


def test_ids_can_be_returned_as_strings(ghostcut: GhostCutEmulatorClient) -> None:
    with ghostcut.program.temporary_settings(ids_as_strings=True):
        answer = ghostcut.submit(ghostcut.make_body())["body"]
        identity = answer["dataList"][0]["id"]
        (item,) = ghostcut.status(identity)
    assert isinstance(identity, str)
    assert isinstance(answer["idProject"], str)
    assert item["id"] == identity


def test_the_same_submission_twice_makes_two_works(ghostcut: GhostCutEmulatorClient) -> None:
    body = ghostcut.make_body()
    assert ghostcut.submit_and_get_id(body) != ghostcut.submit_and_get_id(body)


def test_both_submit_paths_take_the_same_body(ghostcut: GhostCutEmulatorClient) -> None:
    assert ghostcut.post_signed("work/fast", ghostcut.make_body()).json()["code"] == 1000


@pytest.mark.parametrize("urls", [None, [], ""])
def test_missing_urls_have_a_code_of_their_own(ghostcut: GhostCutEmulatorClient, urls: Any) -> None:
    assert ghostcut.submit(ghostcut.make_body(urls=urls))["code"] == 3008


VALID_REGION = make_mask("remove", BOX)["region"]
WRONG_PARAMETERS: list[dict[str, Any]] = [
    {"videoInpaintMasks": None},
    {"videoInpaintMasks": "[]"},
    {"videoInpaintMasks": "no json"},
    {"videoInpaintMasks": json.dumps(make_mask("remove", BOX))},
    {"videoInpaintMasks": json.dumps([{**make_mask("remove", BOX), "type": "erase"}])},
    {"videoInpaintMasks": json.dumps([{"type": "remove", "region": VALID_REGION[:3]}])},
    {"videoInpaintMasks": json.dumps([{"type": "remove", "region": VALID_REGION[::-1]}])},
    {"videoInpaintMasks": json.dumps([make_mask("remove", BOX, start=2, end=1)])},
    {"videoInpaintMasks": json.dumps([make_mask("remove", BOX, end=1, to_end=1)])},
    {"videoInpaintLang": None},
    {"videoInpaintLang": "de"},
    {"needChineseOcclude": 3},
    {"names": ["one", "two"]},
    {"extraOptions": json.dumps({"write_options": {"crf": 99}})},
    {"extraOptions": json.dumps({"extra_inpaint_config": {"model": "best"}})},
]


@pytest.mark.parametrize("changes", WRONG_PARAMETERS)
def test_bad_parameters_give_code_4001_or_status_26(ghostcut: GhostCutEmulatorClient, changes: dict[str, Any]) -> None:
    body = ghostcut.make_body(**changes)
    assert ghostcut.submit(body)["code"] == 4001
    with ghostcut.program.temporary_settings(parameter_errors="status"):
        work = ghostcut.run_to_end(body)
    assert work["processStatus"] == 26
    assert work["errorDetail"]


@pytest.mark.parametrize(
    "changes",
    [
        {"videoInpaintMasks": [make_mask("remove", BOX)]},
        {"extraOptions": {"write_options": {"crf": 20}}},
        {"urls": ["http://x.test/a.mp4"] * 21},
        {"urls": [7]},
        {"needChineseOcclude": "2"},
        {"resolution": "4k"},
    ],
)
def test_wrong_types_always_give_code_4001(ghostcut: GhostCutEmulatorClient, changes: dict[str, Any]) -> None:
    with ghostcut.program.temporary_settings(parameter_errors="status"):
        assert ghostcut.submit(ghostcut.make_body() | changes)["code"] == 4001


def with_model(model: str, *masks: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "videoInpaintMasks": json.dumps(masks) if masks else None,
        "extraOptions": json.dumps({"extra_inpaint_config": {"model": model}}),
        **changes,
    }


SMALL_MASK = make_mask("remove_only_ocr", (0.1, 0.7, 0.5, 0.9))


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        (with_model("advanced_lite", SMALL_MASK, SMALL_MASK), 1),
        (with_model("advanced_lite", make_mask("remove", BOX)), 26),
        (with_model("advanced_lite", make_mask("keep", BOX)), 26),
        (with_model("advanced_lite", *[SMALL_MASK] * 11), 26),
        (with_model("advanced_lite", SMALL_MASK, videoInpaintLang="en"), 26),
        (with_model("advanced", SMALL_MASK), 1),
        (with_model("advanced", SMALL_MASK, SMALL_MASK), 26),
        (with_model("advanced", make_mask("remove_only_ocr", (0, 0, 0.5, 0.5))), 26),
        (with_model("advanced_large_box", make_mask("remove_only_ocr", (0, 0, 0.5, 0.5))), 1),
        (with_model("advanced_large_box", make_mask("remove_only_ocr", (0, 0, 0.8, 0.6))), 26),
        (with_model("advanced_full", needChineseOcclude=1), 1),
        (with_model("advanced_full", SMALL_MASK), 26),
    ],
)
def test_advanced_models_enforce_their_mask_limits(
    ghostcut: GhostCutEmulatorClient, changes: dict[str, Any], status: int
) -> None:
    body = {name: value for name, value in (ghostcut.make_body() | changes).items() if value is not None}
    assert ghostcut.run_to_end(body)["processStatus"] == status


def test_rejected_submissions_are_recorded(ghostcut: GhostCutEmulatorClient) -> None:
    before = ghostcut.program.dump_state()["refused"]
    ghostcut.submit(ghostcut.make_body(urls=None))
    ghostcut.post_signed("work/free", {}, AppSign="wrong")
    refusals = ghostcut.program.dump_state()["refusals"]
    assert [entry["code"] for entry in refusals[before:]] == ["3008", "2004"]


def test_the_status_enumeration_needs_no_signature(ghostcut: GhostCutEmulatorClient) -> None:
    answer = ghostcut.program.http.post(
        f"{ghostcut.program.url}/v-w-c/enum/query2", json={"text": "ProcessStatus"}
    ).json()
    assert answer["code"] == 1000
    assert {"code", "description", "descriptionEn", "descriptionPt"} == set(answer["body"][0])
    assert {-3, 1, 26, 73, 83} <= {item["code"] for item in answer["body"]}
