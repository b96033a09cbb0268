"""GhostCut's API methods: requests, parsing of responses, and the meaning of each error code."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.support.scripted_vendor import APP_KEY, APP_SECRET, ScriptedReply, ScriptedVendor, ghostcut_envelope
from videojobs.errors import (
    ConfigurationError,
    OutcomeUnknown,
    VendorRateLimited,
    VendorRejected,
    VendorUnavailable,
    VideoJobError,
)
from videojobs.providers.ghostcut.client import GhostCutClient
from videojobs.providers.ghostcut.signing import sign

SUBMIT_BODY = b'{"urls":["https://media.test/v.mp4"],"names":["job-1"]}'
ACCEPTED_BODY = {"idProject": 249807732, "dataList": [{"url": "https://media.test/v.mp4", "id": 521461135}]}

REJECTION_CODES = [3003, 3007, 3008, 4001, 4002, 4003, 4004]
CONFIGURATION_CODES = [2001, 2002, 2003, 2004]
UNDECIDED_CODES = [3001, 3002, 9999, 500, 0, 1001, -1, None, "odd"]


async def submit_error(reply: ScriptedReply) -> VideoJobError:
    with pytest.raises(VideoJobError) as caught:
        await ScriptedVendor(reply).ghostcut().submit(SUBMIT_BODY)
    return caught.value


async def status_error(reply: ScriptedReply) -> VideoJobError:
    with pytest.raises(VideoJobError) as caught:
        await ScriptedVendor(reply).ghostcut().status(["1"])
    return caught.value


async def test_submit_sends_the_bytes_as_they_are_and_signs_them() -> None:
    vendor = ScriptedVendor(ghostcut_envelope(ACCEPTED_BODY))
    work = await vendor.ghostcut().submit(SUBMIT_BODY)
    assert (work.id, work.project_id, work.url) == ("521461135", "249807732", "https://media.test/v.mp4")
    request = vendor.request
    assert (request.method, str(request.url)) == ("POST", "https://ghostcut.test/v-w-c/gateway/ve/work/free")
    assert request.content == SUBMIT_BODY
    assert request.headers["AppKey"] == APP_KEY
    assert request.headers["AppSign"] == sign(SUBMIT_BODY, SecretStr(APP_SECRET))
    assert request.headers["content-type"] == "application/json"


async def test_the_submit_path_can_be_set() -> None:
    vendor = ScriptedVendor(ghostcut_envelope(ACCEPTED_BODY))
    await vendor.ghostcut(submit_path="/v-w-c/gateway/ve/work/fast").submit(SUBMIT_BODY)
    assert vendor.request.url.path == "/v-w-c/gateway/ve/work/fast"


async def test_ids_may_come_as_texts() -> None:
    taken = {"idProject": "249807732", "dataList": [{"id": "521461135"}]}
    work = await ScriptedVendor(ghostcut_envelope(taken, code="1000")).ghostcut().submit(SUBMIT_BODY)
    assert (work.id, work.project_id, work.url) == ("521461135", "249807732", None)


@pytest.mark.parametrize(
    ("body", "vendor_id"),
    [
        ({"idProject": 249807732, "dataList": []}, "249807732"),
        ({"idProject": 249807732, "dataList": [{"url": "x", "id": None}]}, "249807732"),
        ({"idProject": 249807732, "dataList": "odd"}, "249807732"),
        ({"idProject": 249807732}, "249807732"),
        ({}, None),
        (None, None),
        ([], None),
        ("ok", None),
    ],
)
async def test_an_accepted_submit_without_a_work_id_is_recorded(body: object, vendor_id: str | None) -> None:
    error = await submit_error(ghostcut_envelope(body))
    assert type(error) is OutcomeUnknown
    assert error.vendor_id == vendor_id
    assert "no work id" in str(error)


@pytest.mark.parametrize("code", CONFIGURATION_CODES)
async def test_a_refused_key_or_signature_is_a_configuration_error(code: int) -> None:
    for error in (
        await submit_error(ghostcut_envelope(code=code, msg="no")),
        await status_error(ghostcut_envelope(code=code)),
    ):
        assert type(error) is ConfigurationError
        assert f"(code {code})" in str(error)


@pytest.mark.parametrize("code", REJECTION_CODES)
async def test_a_refusal_is_final_and_carries_code_and_text(code: int) -> None:
    error = await submit_error(ghostcut_envelope(code=code, msg="urls 不能为空"))
    assert type(error) is VendorRejected
    assert error.vendor_code == str(code)
    assert str(error) == f"GhostCut refused the request (code {code}): urls 不能为空"
    if code != 3003:  # for a single id it is a valid answer
        assert type(await status_error(ghostcut_envelope(code=code))) is VendorRejected


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (ghostcut_envelope(code=3006, msg="Data process Limit"), None),
        (httpx.Response(200, headers={"retry-after": "9"}, json={"code": 3006}), 9.0),
        (httpx.Response(429, headers={"retry-after": "9"}, text="slow down"), 9.0),
    ],
)
async def test_a_reached_limit_is_waited_for(reply: httpx.Response, seconds: float | None) -> None:
    for error in (await submit_error(reply), await status_error(reply)):
        assert type(error) is VendorRateLimited
        assert error.retry_after == seconds


@pytest.mark.parametrize("code", UNDECIDED_CODES)
async def test_any_other_code_leaves_the_submit_outcome_unknown(code: object) -> None:
    assert type(await submit_error(ghostcut_envelope(ACCEPTED_BODY, code=code, msg="system error"))) is OutcomeUnknown
    assert type(await status_error(ghostcut_envelope(code=code))) is VendorUnavailable


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, text="<html>"),
        httpx.Response(200, content=b""),
        httpx.Response(200, json=[1000]),
        httpx.Response(200, json={"msg": "success"}),
        httpx.Response(408),
        httpx.Response(500, json={"code": 500, "msg": "oops"}),
        httpx.Response(502, text="<html>Bad Gateway</html>"),
        httpx.Response(503, json={"code": 3008, "msg": "a refusal that a broken gateway may have made up"}),
        httpx.Response(504, json={"code": 1000, "body": ACCEPTED_BODY}),
        httpx.ReadTimeout(""),
        httpx.RemoteProtocolError("Server disconnected without sending a response."),
    ],
    ids=repr,
)
async def test_an_unusable_answer_leaves_the_submit_outcome_unknown(reply: ScriptedReply) -> None:
    vendor = ScriptedVendor(reply)
    with pytest.raises(OutcomeUnknown, match="GhostCut may or may not have accepted"):
        await vendor.ghostcut().submit(SUBMIT_BODY)
    assert len(vendor.requests) == 1  # two submits would be two paid works
    assert type(await status_error(reply)) is VendorUnavailable


async def test_a_submit_that_never_left_can_be_tried_again() -> None:
    assert type(await submit_error(httpx.ConnectError("refused"))) is VendorUnavailable


@pytest.mark.parametrize("status", [401, 403, 404, 405])
async def test_a_missing_endpoint_is_a_configuration_error(status: int) -> None:
    error = await submit_error(httpx.Response(status, json={"status": status, "error": "Not Found", "path": "/x"}))
    assert type(error) is ConfigurationError
    assert f"check base URL and path (HTTP {status})" in str(error)


async def test_a_request_the_gateway_refuses_was_not_accepted() -> None:
    error = await submit_error(httpx.Response(413, text="<html>"))
    assert type(error) is VendorRejected
    assert error.vendor_code == "HTTP 413"


async def test_many_works_are_queried_in_one_request() -> None:
    rows = [{"id": 1, "processStatus": 1}, {"id": "2", "processStatus": 0}]
    vendor = ScriptedVendor(ghostcut_envelope({"content": rows, "count": 2}))
    found = await vendor.ghostcut().status(["1", "2", "1"])
    assert {id_: work.is_done for id_, work in found.items()} == {"1": True, "2": False}
    assert vendor.request.content == b'{"idWorks":["1","2"]}'
    assert vendor.request.url.path == "/v-w-c/gateway/ve/work/status"


async def test_the_signed_status_request_matches_the_test_vector() -> None:
    vendor = ScriptedVendor(ghostcut_envelope({"content": []}))
    await vendor.ghostcut().status(["521461135"])
    assert vendor.request.content == b'{"idWorks":["521461135"]}'
    assert vendor.request.headers["AppSign"] == "ac93ef1734be4030ff2a2bb82e39a661"


@pytest.mark.parametrize("body", [{"content": [], "count": 0}, {"content": None}, {}, {"content": [], "count": 5}])
async def test_a_work_that_the_vendor_does_not_know_is_missing(body: dict[str, Any]) -> None:
    vendor = ScriptedVendor(ghostcut_envelope(body))
    assert await vendor.ghostcut().status(["1"]) == {}
    assert len(vendor.requests) == 1


async def test_one_id_that_the_vendor_refuses_hides_no_other() -> None:
    def refuse_one_id(request: httpx.Request) -> httpx.Response:
        ids = json.loads(request.content)["idWorks"]
        if "7" in ids:
            return ghostcut_envelope(code=3003, msg="id not existing")
        return ghostcut_envelope({"content": [{"id": int(id_), "processStatus": 0} for id_ in ids]})

    vendor = ScriptedVendor(refuse_one_id)
    ids = [str(number) for number in range(1, 33)]
    assert sorted(await vendor.ghostcut().status(ids), key=int) == [id_ for id_ in ids if id_ != "7"]
    assert len(vendor.requests) == 11
    assert await vendor.ghostcut().status(["7"]) == {}


@pytest.mark.parametrize("ids", [["1"], ["1", "2"], ["1", "2", "3", "4", "5"]])
async def test_a_query_refused_for_every_id_says_nothing_about_any(ids: list[str]) -> None:
    vendor = ScriptedVendor(ghostcut_envelope(code=4001, msg="parameter error"))
    with pytest.raises(VendorRejected, match="4001"):
        await vendor.ghostcut().status(ids)


async def test_unrequested_rows_are_ignored() -> None:
    vendor = ScriptedVendor(ghostcut_envelope({"content": [{"id": 9, "processStatus": 1}]}))
    assert await vendor.ghostcut().status(["1"]) == {}


async def test_an_empty_query_sends_no_request() -> None:
    vendor = ScriptedVendor(ghostcut_envelope())
    assert await vendor.ghostcut().status([]) == {}
    assert vendor.requests == []


async def test_all_pages_of_an_answer_are_requested() -> None:
    def two_rows_per_page(request: httpx.Request) -> httpx.Response:
        ids = json.loads(request.content)["idWorks"]
        return ghostcut_envelope(
            {"content": [{"id": int(id_), "processStatus": 0} for id_ in ids[:2]], "count": len(ids)}
        )

    vendor = ScriptedVendor(two_rows_per_page)
    assert sorted(await vendor.ghostcut().status(["1", "2", "3", "4", "5"])) == ["1", "2", "3", "4", "5"]
    assert len(vendor.requests) == 3


@pytest.mark.parametrize("body", ["odd", None, {"content": "odd"}, {"content": [{"processStatus": 1}]}])
async def test_an_unreadable_status_answer_is_retryable(body: object) -> None:
    error = await status_error(ghostcut_envelope(body))
    assert type(error) is VendorUnavailable
    assert "unreadable body" in str(error)


async def test_the_balance_is_the_sum_over_all_purchases() -> None:
    assets = [{"pointBalance": 10.1, "company": "x"}, {"pointBalance": "0.2"}]
    vendor = ScriptedVendor(ghostcut_envelope({"pointAssets": assets, "count": 2}))
    assert await vendor.ghostcut().balance() == Decimal("10.3")
    assert vendor.request.url.path == "/v-w-c/gateway/ve/point/query"
    assert vendor.request.content == b'{"notZero":true,"isValid":true}'


@pytest.mark.parametrize("body", [{"pointAssets": []}, {"pointAssets": None}, {}])
async def test_an_account_without_purchases_has_no_points(body: dict[str, Any]) -> None:
    assert await ScriptedVendor(ghostcut_envelope(body)).ghostcut().balance() == 0


async def test_an_unreadable_balance_is_not_treated_as_zero() -> None:
    with pytest.raises(VendorUnavailable):
        await ScriptedVendor(ghostcut_envelope({"pointAssets": [{"pointBalance": None}]})).ghostcut().balance()


@pytest.mark.parametrize(("key", "secret"), [("", "s"), ("k", ""), ("k\n", "s"), ("k", "s ")])
def test_credentials_that_cannot_work_are_refused_at_once(key: str, secret: str) -> None:
    with pytest.raises(ConfigurationError, match="enter it again"):
        GhostCutClient(httpx.AsyncClient(transport=ScriptedVendor().transport()), SecretStr(key), SecretStr(secret))


async def test_secrets_show_in_no_repr_and_no_error() -> None:
    reply = httpx.Response(200, json={"code": 2003, "msg": f"invalid AppKey {APP_KEY} for ?secret={APP_SECRET}"})
    client = ScriptedVendor(reply).ghostcut()
    error = await submit_error(reply)
    shown = f"{client!r} {vars(client)!r} {error} {error!r}"
    assert APP_KEY not in shown
    assert APP_SECRET not in shown
    work = (
        await ScriptedVendor(ghostcut_envelope({"dataList": [{"id": 5, "url": "https://s3.test/k?sig=abc"}]}))
        .ghostcut()
        .submit(SUBMIT_BODY)
    )
    assert repr(work) == "Work(id='5', project_id=None)"
