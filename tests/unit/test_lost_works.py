"""What GhostCut's answers say about a submission whose answer was lost."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from deployments.gateway.telling import timeline
from tasks import text_removal
from tasks.run import JobRun
from tasks.submission import TAKEN, Accepted, Finding, NoProof, NotTaken, not_settled
from tasks.text_removal import find_work
from tests.unit.vendors.scripted import Reply, ScriptedVendor, envelope
from videojobs.errors import ConfigurationError, StillInDoubt, VendorThrottled, VendorUnavailable
from videojobs.ledger import JobEvent, Submission
from videojobs.vendors.ghostcut.client import GhostCutClient

OURS = "https://media.test/users/ada/jobs/job-1/pro_sync_result_job-1.mp4?X-Amz-Date=1&X-Amz-Signature=ab"
BARE = OURS.partition("?")[0]
EARLIER = OURS.replace("Date=1", "Date=0")
THEIRS = "https://media.test/users/bob/jobs/job-2/pro_sync_result_job-2.mp4?X-Amz-Date=1"
SETTLED = timedelta(seconds=601)


@pytest.fixture(autouse=True)
def no_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(limit: str) -> None:
        pass

    monkeypatch.setattr(text_removal, "turn", at_once)


def lost(**known: str) -> Submission:
    body = json.dumps({"urls": [OURS]}).encode()
    return Submission(id=uuid4(), job_id="job-1", request_body=body, intended_at=datetime.now(UTC), **known)


def of(url: str | None, number: int = 7) -> dict[str, Any]:
    return {"id": number, "idProject": 70, "url": url, "processStatus": 0}


class Account:
    """GhostCut as it answers by the kind of question, and our books."""

    def __init__(self, listed: Sequence[dict[str, Any]] | Reply = (), *, named: Reply | None = None) -> None:
        self._listed, self._named = listed, named or envelope({"content": []})
        self.asked: list[str] = []
        self.waited = SETTLED
        self.books: list[Submission] = []
        self.others: set[str] = set()
        self.older: set[str] = set()

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path.rpartition("/")[2])
        if self.asked[-1] == "status":
            reply = self._named
        elif isinstance(self._listed, Sequence):
            rows = [] if json.loads(request.content)["page"] else list(self._listed)
            reply = envelope({"content": rows, "count": len(self._listed)})
        else:
            reply = self._listed
        if isinstance(reply, Exception):
            raise reply
        return reply(request) if callable(reply) else reply

    async def waited_for(self, submission: Submission) -> timedelta:
        return self.waited

    async def taken_around(self, submission: Submission, within: timedelta, before: timedelta) -> set[str]:
        return self.older if within == text_removal.LISTED_FOR else self.others

    async def submissions(self, job_id: str) -> list[Submission]:
        return self.books

    async def find(self, submission: Submission) -> Finding:
        @asynccontextmanager
        async def client() -> AsyncIterator[GhostCutClient]:
            yield ScriptedVendor(self.answer).ghostcut()

        async def ledger() -> Account:
            return self

        connections = SimpleNamespace(ghostcut_client=client, ledger=ledger)
        return await find_work(cast(JobRun, SimpleNamespace(connections=connections)), submission)


def id_of(found: Finding) -> str:
    assert isinstance(found, Accepted)
    return found.vendor_id


@pytest.mark.parametrize("waited", [timedelta(0), SETTLED, timedelta(days=30)])
async def test_a_work_that_is_listed_with_our_link_is_ours_however_long_ago(waited: timedelta) -> None:
    account = Account([of(THEIRS, 9), of(EARLIER, 8), of(OURS, 7)])
    account.waited = waited
    found = await account.find(lost())
    assert id_of(found) == "7"
    assert cast(Accepted, found).batch_id == "70"


async def test_a_work_that_its_callback_named_is_ours_without_a_look_at_the_list() -> None:
    account = Account(named=envelope({"content": [of(OURS)]}))
    assert id_of(await account.find(lost(candidate_id="7"))) == "7"
    assert account.asked == ["status"]


@pytest.mark.parametrize("known", [{"candidate_id": "7"}, {"vendor_batch_id": "70"}])
async def test_where_the_named_work_is_not_to_be_had_the_list_is_looked_into(known: dict[str, str]) -> None:
    account = Account([of(OURS, 8)], named=envelope(code=3003))
    assert id_of(await account.find(lost(**known))) == "8"


async def test_what_is_missing_from_the_whole_list_after_the_settling_time_was_not_taken() -> None:
    found = await Account([of(THEIRS)]).find(lost())
    assert isinstance(found, NotTaken)
    assert (found.seen["works_seen"], found.seen["seconds_after_intent"]) == (1, 601)


async def test_what_is_missing_before_the_settling_time_is_not_known_yet() -> None:
    account = Account([of(THEIRS)])
    account.waited = timedelta(seconds=599)
    with pytest.raises(StillInDoubt) as early:
        await account.find(lost())
    assert early.value.retry_after == 1


async def test_the_settling_time_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_GHOSTCUT_SETTLING_SECONDS", "7200")
    with pytest.raises(StillInDoubt):
        await Account().find(lost())


@pytest.mark.parametrize(
    "listed",
    [[of(None)], [of("")], [of(BARE)], [of(quote(OURS, safe=":/%"))], [of(EARLIER)], [of(THEIRS, 9), of(BARE)]],
    ids=["no link", "empty link", "without its query", "quoted", "another signature", "among others"],
)
@pytest.mark.parametrize("waited", [timedelta(0), SETTLED])
async def test_a_work_that_may_be_ours_and_does_not_show_our_link_proves_nothing(
    listed: list[dict[str, Any]], waited: timedelta
) -> None:
    account = Account(listed)
    account.waited = waited
    found = await account.find(lost())
    assert isinstance(found, NoProof)
    assert "may be it (7)" in found.why


async def test_an_earlier_work_of_the_same_job_that_is_on_our_books_is_not_it() -> None:
    account = Account([of(EARLIER, 6)])
    account.books = [Submission(vendor_id="6")]
    assert isinstance(await account.find(lost()), NotTaken)


@pytest.mark.parametrize("refusal", [envelope(code=4001), envelope(code=3003)])
async def test_a_list_that_is_refused_proves_nothing_and_fails_no_job(refusal: httpx.Response) -> None:
    assert isinstance(await Account(refusal).find(lost()), NoProof)


@pytest.mark.parametrize("refusal", [httpx.Response(401), envelope(code=2003)])
async def test_a_key_that_is_refused_is_no_answer(refusal: httpx.Response) -> None:
    with pytest.raises(ConfigurationError):
        await Account(refusal).find(lost())


@pytest.mark.parametrize("reply", [httpx.Response(503), envelope(code=3006), httpx.ReadTimeout("")])
async def test_a_list_that_cannot_be_had_now_is_asked_for_again(reply: Reply) -> None:
    with pytest.raises((VendorUnavailable, VendorThrottled)):
        await Account(reply).find(lost())


@pytest.mark.parametrize("known", [{"candidate_id": "7"}, {"vendor_batch_id": "70"}])
async def test_what_the_vendor_has_named_and_does_not_list_was_not_surely_not_taken(known: dict[str, str]) -> None:
    assert isinstance(await Account().find(lost(**known)), NoProof)


async def test_a_list_without_any_work_that_was_surely_taken_proves_nothing() -> None:
    """Our filter, or the account, is not what we believe."""
    account = Account([of(THEIRS, 9)])
    account.others = {"5", "6"}
    assert isinstance(await account.find(lost()), NoProof)
    account.others = {"6", "9"}
    assert isinstance(await account.find(lost()), NotTaken)


async def test_where_nothing_else_was_bought_on_those_days_older_works_have_to_be_listed() -> None:
    account = Account([of(THEIRS, 9)])
    account.older = {"5"}
    assert isinstance(await account.find(lost()), NoProof)
    account.older = {"9"}
    assert isinstance(await account.find(lost()), NotTaken)


async def test_a_work_that_a_broken_list_shows_is_ours_all_the_same() -> None:
    again = envelope({"content": [of(THEIRS, 9), of(OURS, 7)], "count": 4000})
    assert id_of(await Account(again).find(lost())) == "7"


async def test_what_the_vendor_said_it_had_taken_was_not_surely_not_taken() -> None:
    account = Account()
    submission = lost()
    submission.vendor_answer = TAKEN
    assert isinstance(await account.find(submission), NoProof)


async def test_a_list_that_may_have_forgotten_it_proves_nothing() -> None:
    account = Account()
    account.waited = timedelta(days=8)
    found = await account.find(lost())
    assert isinstance(found, NoProof)
    assert "8 days ago" in found.why


def test_looks_come_soon_at_first_then_seldom_and_the_last_one_right_after_the_settling_time() -> None:
    waited, settling, looks = timedelta(seconds=2), timedelta(seconds=600), 1
    while waited < settling:
        pause = not_settled(waited, settling).retry_after or 0
        assert 0 < pause <= 60
        waited, looks = waited + timedelta(seconds=pause), looks + 1
    assert waited == settling
    assert looks < 25


def test_people_read_that_it_is_sent_again() -> None:
    detail = {"stage": "text_removal", "works_seen": 3}
    event = JobEvent(
        at=datetime.now(UTC), kind="not_taken", point="lip_sync_stored", progress=60, message="", detail=detail
    )
    assert timeline([event])[0].message == "GhostCut has surely not taken it, and is sent it again."
