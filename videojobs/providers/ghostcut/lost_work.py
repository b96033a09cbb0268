"""What GhostCut's data prove about a work whose response was lost. Facts: GhostCut fact sheet, sections 5 and 14.

A work in the list that shows our link is ours. A work that is missing from the list proves something only when it has
had the time to arrive and to be listed, and when the list shows works that are surely accepted.
"""

import json
from contextlib import suppress
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from videojobs.errors import VendorRejected
from videojobs.providers.ghostcut.client import GhostCutClient
from videojobs.providers.ghostcut.schemas import WorkStatus
from videojobs.providers.ghostcut.settings import GhostCutPolling
from videojobs.providers.lookup import (
    ACCEPTED_WITHOUT_ID,
    Accepted,
    Inconclusive,
    Lookup,
    LookupResult,
    NotReceived,
    still_in_doubt_error,
)

# Around the intent, in which a lost work is searched. The times of works are on the vendor's clock, and which time zone
# it uses is not documented: a day covers any. Our link identifies the work; the window only bounds the list, at the
# price of some pages of other works.
MAX_CLOCK_SKEW: Final = timedelta(days=1)
# The smallest plan keeps works for 7 days (GhostCut 14). Whether older ones are listed is not documented.
LISTING_WINDOW: Final = timedelta(days=7) - MAX_CLOCK_SKEW
_DOWNLOAD_NAME_PARAMETER: Final = "response-content-disposition"  # of S3's signed links


def to_accepted(work_id: str, project_id: str | None) -> Accepted:
    return Accepted(
        vendor_id=work_id,
        batch_id=project_id,
        answer={"id": work_id, "idProject": project_id},
        metadata={"ghostcut_task_id": work_id, "ghostcut_project_id": project_id},
    )


def source_url(body: bytes) -> str:
    """The link in a paid request: signed for one submission, so no other work has the same."""
    url: str = json.loads(body)["urls"][0]
    return url


async def find_work(client: GhostCutClient, lookup: Lookup) -> LookupResult:
    """The work, by the id in its callback, by its project, or by our link in the account's list.

    Raises OutcomeStillUnknown before the work has had time to be listed, RetryableError where GhostCut is unavailable.
    """
    try:
        rows = await _fetch_candidates(client, lookup)
        return _match_by_source(lookup, rows) or await _search_work_list(client, lookup)
    except VendorRejected as rejection:  # a later query would be rejected, too
        return Inconclusive(f"GhostCut rejected the query: {rejection}")


def _match_by_source(lookup: Lookup, rows: list[WorkStatus]) -> Accepted | None:
    source = source_url(lookup.submission.request_body)
    work = next((row for row in rows if row.url == source), None)
    return to_accepted(work.id, work.id_project) if work else None


async def _fetch_candidates(client: GhostCutClient, lookup: Lookup) -> list[WorkStatus]:
    """The work that the callback reported, and those of the project that the response named.

    A rejection proves nothing: it may mean an unknown id or, for a project, an unknown kind of query, which the vendor
    does not document.
    """
    submission = lookup.submission
    rows: list[WorkStatus] = []
    if submission.reported_vendor_id:
        with suppress(VendorRejected):
            rows += (await client.status([submission.reported_vendor_id])).values()
    if submission.vendor_batch_id:
        with suppress(VendorRejected):
            rows += await client.works_by_project(submission.vendor_batch_id)
    return rows


async def _search_work_list(client: GhostCutClient, lookup: Lookup) -> LookupResult:
    """The account's list of works, read to its end."""
    submission = lookup.submission
    since, until = submission.intended_at - MAX_CLOCK_SKEW, submission.intended_at + MAX_CLOCK_SKEW
    age = await lookup.repository.submission_age(submission)  # before the list is read, so that all of it is as old
    await lookup.pace()
    rows: list[WorkStatus] = []
    async for page in client.works_between(since, until):
        if accepted := _match_by_source(lookup, page):  # also if reading the list fails later
            return accepted
        rows += page
    known = {row.vendor_id for row in await lookup.repository.list_submissions(submission.job_id)}
    if candidates := [row.id for row in rows if row.id not in known and _may_match(lookup, row)]:
        return Inconclusive(
            f"GhostCut lists works that may be this submission ({', '.join(candidates[:5])}), but without its link"
        )
    return await _conclude_from_absence(client, lookup, age, rows)


async def _conclude_from_absence(
    client: GhostCutClient, lookup: Lookup, age: timedelta, rows: list[WorkStatus]
) -> NotReceived | Inconclusive:
    """Raises OutcomeStillUnknown."""
    submission = lookup.submission
    settling = timedelta(seconds=GhostCutPolling.current().ghostcut_settling_seconds)
    if age > LISTING_WINDOW:
        return Inconclusive(f"it was sent {age.days} days ago, and GhostCut may no longer list it")
    if age < settling:
        raise still_in_doubt_error(age, settling)
    if submission.vendor_answer == ACCEPTED_WITHOUT_ID or submission.reported_vendor_id or submission.vendor_batch_id:
        return Inconclusive("GhostCut confirmed it, but lists no work with our link")
    if not await _is_list_trustworthy(client, lookup, settling, rows):
        return Inconclusive(
            "GhostCut lists none of the works that it is known to have accepted: the list is incomplete, or of "
            "another account"
        )
    return NotReceived({"works_seen": len(rows), "seconds_after_intent": round(age.total_seconds())})


async def _is_list_trustworthy(
    client: GhostCutClient, lookup: Lookup, settling: timedelta, rows: list[WorkStatus]
) -> bool:
    """Whether the list shows works that are known to be accepted: from these days, or older ones if there are none."""
    submission, accepted_ids = lookup.submission, lookup.repository.accepted_ids_around
    others = await accepted_ids(submission, MAX_CLOCK_SKEW, settling)
    if not others and (others := await accepted_ids(submission, LISTING_WINDOW, settling)):
        since, until = submission.intended_at - LISTING_WINDOW - MAX_CLOCK_SKEW, submission.intended_at + MAX_CLOCK_SKEW
        rows = [row async for page in client.works_between(since, until) for row in page]
    return not others or not others.isdisjoint(row.id for row in rows)


def _may_match(lookup: Lookup, row: WorkStatus) -> bool:
    """Whether a work without our link may have been made from it: its link is missing or changed.

    Jobs for text removal alone may share a source; a link to it has the job's name for the file.
    """
    ours = urlsplit(source_url(lookup.submission.request_body))
    if not row.url:
        return True
    if unquote(ours.path) not in unquote(row.url):
        return False
    our_name, its_name = _download_name(ours.query), _download_name(urlsplit(row.url).query)
    return our_name == its_name or None in (our_name, its_name)


def _download_name(query: str) -> str | None:
    return next(iter(parse_qs(query).get(_DOWNLOAD_NAME_PARAMETER, ())), None)
