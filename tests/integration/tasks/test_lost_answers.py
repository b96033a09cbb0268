"""What GhostCut's responses say about a submission whose response was lost."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from deployments.api.views.job_view import event_log
from tests.support.scripted_vendor import ScriptedReply, ScriptedVendor, ghostcut_envelope
from videojobs.db import JobEvent, Submission
from videojobs.errors import ConfigurationError, OutcomeStillUnknown, VendorRateLimited, VendorUnavailable
from videojobs.providers.ghostcut.lost_work import LISTING_WINDOW, find_work
from videojobs.providers.lookup import (
    ACCEPTED_WITHOUT_ID,
    Accepted,
    Inconclusive,
    Lookup,
    LookupResult,
    NotReceived,
    still_in_doubt_error,
)

OUR_URL = "https://media.test/users/ada/jobs/job-1/pro_sync_result_job-1.mp4?X-Amz-Date=1&X-Amz-Signature=ab"
OUR_URL_WITHOUT_QUERY = OUR_URL.partition("?")[0]
EARLIER_URL = OUR_URL.replace("Date=1", "Date=0")
OTHER_USERS_URL = "https://media.test/users/bob/jobs/job-2/pro_sync_result_job-2.mp4?X-Amz-Date=1"
AFTER_SETTLING_TIME = timedelta(seconds=601)


async def no_rate_limit() -> None:
    pass


def lost_submission(**known: str) -> Submission:
    body = json.dumps({"urls": [OUR_URL]}).encode()
    return Submission(id=uuid4(), job_id="job-1", request_body=body, intended_at=datetime.now(UTC), **known)


def work_row(url: str | None, number: int = 7) -> dict[str, Any]:
    return {"id": number, "idProject": 70, "url": url, "processStatus": 0}


class FakeGhostCutAccount:
    """GhostCut with a response for each kind of query, and our database."""

    def __init__(
        self, listed: Sequence[dict[str, Any]] | ScriptedReply = (), *, named: ScriptedReply | None = None
    ) -> None:
        self._listed, self._named = listed, named or ghostcut_envelope({"content": []})
        self.calls: list[str] = []
        self.age = AFTER_SETTLING_TIME
        self.own_submissions: list[Submission] = []
        self.other_vendor_ids: set[str] = set()
        self.older_vendor_ids: set[str] = set()

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request.url.path.rpartition("/")[2])
        if self.calls[-1] == "status":
            reply = self._named
        elif isinstance(self._listed, Sequence):
            rows = [] if json.loads(request.content)["page"] else list(self._listed)
            reply = ghostcut_envelope({"content": rows, "count": len(self._listed)})
        else:
            reply = self._listed
        if isinstance(reply, Exception):
            raise reply
        return reply(request) if callable(reply) else reply

    async def submission_age(self, submission: Submission) -> timedelta:
        return self.age

    async def accepted_ids_around(self, submission: Submission, window: timedelta, min_age: timedelta) -> set[str]:
        return self.older_vendor_ids if window == LISTING_WINDOW else self.other_vendor_ids

    async def list_submissions(self, job_id: str) -> list[Submission]:
        return self.own_submissions

    async def find(self, submission: Submission) -> LookupResult:
        lookup = Lookup(submission, self, no_rate_limit)
        return await find_work(ScriptedVendor(self.answer).ghostcut(), lookup)


def found_id(found: LookupResult) -> str:
    assert isinstance(found, Accepted)
    return found.vendor_id


@pytest.mark.parametrize("waited", [timedelta(0), AFTER_SETTLING_TIME, timedelta(days=30)])
async def test_a_listed_work_with_our_link_is_ours_at_any_age(waited: timedelta) -> None:
    account = FakeGhostCutAccount([work_row(OTHER_USERS_URL, 9), work_row(EARLIER_URL, 8), work_row(OUR_URL, 7)])
    account.age = waited
    found = await account.find(lost_submission())
    assert found_id(found) == "7"
    assert cast(Accepted, found).batch_id == "70"


async def test_a_work_named_by_its_callback_needs_no_list_query() -> None:
    account = FakeGhostCutAccount(named=ghostcut_envelope({"content": [work_row(OUR_URL)]}))
    assert found_id(await account.find(lost_submission(reported_vendor_id="7"))) == "7"
    assert account.calls == ["status"]


@pytest.mark.parametrize("known", [{"reported_vendor_id": "7"}, {"vendor_batch_id": "70"}])
async def test_an_unavailable_named_work_falls_back_to_the_list(known: dict[str, str]) -> None:
    account = FakeGhostCutAccount([work_row(OUR_URL, 8)], named=ghostcut_envelope(code=3003))
    assert found_id(await account.find(lost_submission(**known))) == "8"


async def test_a_work_unlisted_after_settling_time_was_not_accepted() -> None:
    found = await FakeGhostCutAccount([work_row(OTHER_USERS_URL)]).find(lost_submission())
    assert isinstance(found, NotReceived)
    assert (found.evidence["works_seen"], found.evidence["seconds_after_intent"]) == (1, 601)


async def test_a_work_unlisted_before_the_settling_time_is_undecided() -> None:
    account = FakeGhostCutAccount([work_row(OTHER_USERS_URL)])
    account.age = timedelta(seconds=599)
    with pytest.raises(OutcomeStillUnknown) as early:
        await account.find(lost_submission())
    assert early.value.retry_after == 1


async def test_the_settling_time_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_GHOSTCUT_SETTLING_SECONDS", "7200")
    with pytest.raises(OutcomeStillUnknown):
        await FakeGhostCutAccount().find(lost_submission())


@pytest.mark.parametrize(
    "listed",
    [
        [work_row(None)],
        [work_row("")],
        [work_row(OUR_URL_WITHOUT_QUERY)],
        [work_row(quote(OUR_URL, safe=":/%"))],
        [work_row(EARLIER_URL)],
        [work_row(OTHER_USERS_URL, 9), work_row(OUR_URL_WITHOUT_QUERY)],
    ],
    ids=["no link", "empty link", "without its query", "quoted", "another signature", "among others"],
)
@pytest.mark.parametrize("waited", [timedelta(0), AFTER_SETTLING_TIME])
async def test_a_possible_work_without_our_link_proves_nothing(listed: list[dict[str, Any]], waited: timedelta) -> None:
    account = FakeGhostCutAccount(listed)
    account.age = waited
    found = await account.find(lost_submission())
    assert isinstance(found, Inconclusive)
    assert "may be this submission (7)" in found.reason


def shared_source_link(job_id: str | None) -> str:
    """A link to a source that several jobs use; the vendor may show it without its query."""
    name = f"?response-content-disposition=attachment%3B%20filename%3D%22{job_id}.mp4%22&X-Amz-Date=1"
    return "https://media.test/uploads/talk.mp4" + (name if job_id else "")


async def test_another_jobs_work_from_the_same_source_is_no_match() -> None:
    submission = lost_submission()
    submission.request_body = json.dumps({"urls": [shared_source_link("job-1")]}).encode()
    others = [work_row(shared_source_link("job-2"), 9)]
    assert isinstance(await FakeGhostCutAccount(others).find(submission), NotReceived)
    unnamed = [*others, work_row(shared_source_link(None), 8)]
    assert isinstance(await FakeGhostCutAccount(unnamed).find(submission), Inconclusive)
    listed = [*others, work_row(shared_source_link("job-1"), 7)]
    assert found_id(await FakeGhostCutAccount(listed).find(submission)) == "7"


async def test_a_recorded_earlier_work_of_the_job_is_no_match() -> None:
    account = FakeGhostCutAccount([work_row(EARLIER_URL, 6)])
    account.own_submissions = [Submission(vendor_id="6")]
    assert isinstance(await account.find(lost_submission()), NotReceived)


@pytest.mark.parametrize("refusal", [ghostcut_envelope(code=4001), ghostcut_envelope(code=3003)])
async def test_a_refused_list_query_proves_nothing(refusal: httpx.Response) -> None:
    assert isinstance(await FakeGhostCutAccount(refusal).find(lost_submission()), Inconclusive)


@pytest.mark.parametrize("refusal", [httpx.Response(401), ghostcut_envelope(code=2003)])
async def test_a_refused_api_key_proves_nothing(refusal: httpx.Response) -> None:
    with pytest.raises(ConfigurationError):
        await FakeGhostCutAccount(refusal).find(lost_submission())


@pytest.mark.parametrize("reply", [httpx.Response(503), ghostcut_envelope(code=3006), httpx.ReadTimeout("")])
async def test_an_unavailable_list_is_queried_again(reply: ScriptedReply) -> None:
    with pytest.raises((VendorUnavailable, VendorRateLimited)):
        await FakeGhostCutAccount(reply).find(lost_submission())


@pytest.mark.parametrize("known", [{"reported_vendor_id": "7"}, {"vendor_batch_id": "70"}])
async def test_a_named_but_unlisted_work_may_have_been_accepted(known: dict[str, str]) -> None:
    assert isinstance(await FakeGhostCutAccount().find(lost_submission(**known)), Inconclusive)


async def test_a_list_without_our_confirmed_works_proves_nothing() -> None:
    """Our filter, or the account, is not what we assume."""
    account = FakeGhostCutAccount([work_row(OTHER_USERS_URL, 9)])
    account.other_vendor_ids = {"5", "6"}
    assert isinstance(await account.find(lost_submission()), Inconclusive)
    account.other_vendor_ids = {"6", "9"}
    assert isinstance(await account.find(lost_submission()), NotReceived)


async def test_older_works_confirm_the_list_when_no_others_exist() -> None:
    account = FakeGhostCutAccount([work_row(OTHER_USERS_URL, 9)])
    account.older_vendor_ids = {"5"}
    assert isinstance(await account.find(lost_submission()), Inconclusive)
    account.older_vendor_ids = {"9"}
    assert isinstance(await account.find(lost_submission()), NotReceived)


async def test_our_work_is_found_even_in_a_broken_list() -> None:
    again = ghostcut_envelope({"content": [work_row(OTHER_USERS_URL, 9), work_row(OUR_URL, 7)], "count": 4000})
    assert found_id(await FakeGhostCutAccount(again).find(lost_submission())) == "7"


async def test_a_submission_the_vendor_accepted_is_never_called_absent() -> None:
    account = FakeGhostCutAccount()
    submission = lost_submission()
    submission.vendor_answer = ACCEPTED_WITHOUT_ID
    assert isinstance(await account.find(submission), Inconclusive)


async def test_a_list_that_may_have_expired_proves_nothing() -> None:
    account = FakeGhostCutAccount()
    account.age = timedelta(days=8)
    found = await account.find(lost_submission())
    assert isinstance(found, Inconclusive)
    assert "8 days ago" in found.reason


def test_lookups_back_off_and_end_after_the_settling_time() -> None:
    waited, settling, looks = timedelta(seconds=2), timedelta(seconds=600), 1
    while waited < settling:
        pause = still_in_doubt_error(waited, settling).retry_after or 0
        assert 0 < pause <= 60
        waited, looks = waited + timedelta(seconds=pause), looks + 1
    assert waited == settling
    assert looks < 25


def test_the_resend_message_is_readable() -> None:
    detail = {"stage": "text_removal", "works_seen": 3, "provider": "ghostcut"}
    event = JobEvent(
        at=datetime.now(UTC), kind="not_taken", point="lip_sync_stored", progress=60, message="", detail=detail
    )
    assert event_log([event])[0].message == "GhostCut has not accepted the job; it is sent again."
