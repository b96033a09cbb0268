"""What the door logs: which job and which request, and no secret."""

import json
import logging
import sys

import httpx

from deployments.gateway.logs import JsonLines
from tests.gateway.asgi import Kept
from tests.gateway.conftest import until
from tests.gateway.forms import PROCESS, fields, files
from tests.gateway.vendors import SYNC_SO, Caller, OnTheLedger, submitted
from tests.ledger.conftest import Opened
from videojobs.ledger import Ledger


async def test_a_line_tells_its_job_and_its_request_and_no_secret(ledger: Ledger, opened: Opened, log: Kept) -> None:
    lease = await opened()
    submission = await submitted(ledger, lease, SYNC_SO)
    await ledger.release(lease, in_order=False)
    await Caller(OnTheLedger(ledger)).call(SYNC_SO, submission.callback_token, SYNC_SO.body("42"))
    work, request = log.lines
    assert work["job_id"] == request["job_id"] == lease.job_id
    assert work["request_id"] == request["request_id"]
    assert {name: request[name] for name in ("method", "route", "status")} == {
        "method": "POST",
        "route": "/callbacks/sync-so/{token}",
        "status": 200,
    }
    assert submission.callback_token not in json.dumps(log.lines)


async def test_the_line_of_a_form_tells_the_job_that_it_has_become(http: httpx.AsyncClient, log: Kept) -> None:
    answer = await http.post(PROCESS, files=files(), data=fields())
    await until(lambda: any(line.get("status") == 202 for line in log.lines))
    assert {line["job_id"] for line in log.lines} == {answer.json()["job_id"]}


async def test_an_address_that_nobody_was_given_leaves_no_trace_of_what_was_guessed(ledger: Ledger, log: Kept) -> None:
    door = Caller(OnTheLedger(ledger))
    await door.call(SYNC_SO, "g" * 43, SYNC_SO.body("42"))
    await door.http.get("/anything?X-Amz-Signature=secret")
    assert [line["route"] for line in log.lines] == ["/callbacks/sync-so/{token}", "(none)"]
    assert not [word for word in ("g" * 43, "secret", "anything") if word in json.dumps(log.lines)]


def test_an_error_is_one_line_with_all_that_it_says() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        record = logging.LogRecord("door", logging.ERROR, __file__, 1, "It %s", ("broke",), sys.exc_info())
    line = JsonLines().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["message"]) == ("error", "It broke")
    assert "first\nsecond" in told["error"]
