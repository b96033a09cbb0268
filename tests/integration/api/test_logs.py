"""The API's logs: they name the job and the request, and contain no secret."""

import json
import logging
import sys

import httpx

from deployments.api.logging import JsonFormatter
from tests.integration.api.conftest import wait_until
from tests.integration.db.conftest import CreateLeasedJob
from tests.support.api_server import LogCapture
from tests.support.multipart_forms import PROCESS_URL, form_fields, form_files
from tests.support.signed_callbacks import SYNC_SO, CallbackClient, FakeServices, create_sent_submission
from videojobs.db import JobRepository


async def test_a_log_line_has_job_and_request_ids_and_no_secret(
    repository: JobRepository, create_leased_job: CreateLeasedJob, log_capture: LogCapture
) -> None:
    lease = await create_leased_job()
    submission = await create_sent_submission(repository, lease, SYNC_SO)
    await repository.release_lease(lease, clean_exit=False)
    await CallbackClient(FakeServices(repository)).send_callback(
        SYNC_SO, submission.callback_token, SYNC_SO.report_body("42")
    )
    work, request = log_capture.lines
    assert work["job_id"] == request["job_id"] == lease.job_id
    assert work["request_id"] == request["request_id"]
    assert {name: request[name] for name in ("method", "route", "status")} == {
        "method": "POST",
        "route": "/callbacks/{provider}/{token}",
        "status": 200,
    }
    assert submission.callback_token not in json.dumps(log_capture.lines)


async def test_the_log_line_of_a_form_has_its_job_id(http: httpx.AsyncClient, log_capture: LogCapture) -> None:
    answer = await http.post(PROCESS_URL, files=form_files(), data=form_fields())
    await wait_until(lambda: any(line.get("status") == 202 for line in log_capture.lines))
    assert {line["job_id"] for line in log_capture.lines} == {answer.json()["job_id"]}


async def test_a_guessed_callback_token_is_not_logged(repository: JobRepository, log_capture: LogCapture) -> None:
    api = CallbackClient(FakeServices(repository))
    await api.send_callback(SYNC_SO, "g" * 43, SYNC_SO.report_body("42"))
    await api.http.get("/anything?X-Amz-Signature=secret")
    assert [line["route"] for line in log_capture.lines] == ["/callbacks/{provider}/{token}", "(none)"]
    assert not [word for word in ("g" * 43, "secret", "anything") if word in json.dumps(log_capture.lines)]


def test_an_error_is_logged_as_one_complete_line() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        record = logging.LogRecord("door", logging.ERROR, __file__, 1, "It %s", ("broke",), sys.exc_info())
    line = JsonFormatter().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["message"]) == ("error", "It broke")
    assert "first\nsecond" in told["error"]
