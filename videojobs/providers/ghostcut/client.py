"""GhostCut's API calls. Only submit costs points; the others are free and may be repeated.

Each call raises `VendorRateLimited`, `VendorUnavailable`, `ConfigurationError` or `VendorRejected`; see
`videojobs.providers.ghostcut.errors`. Facts: GhostCut fact sheet, sections 1, 2, 5, 9, 10 and 14.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import httpx
from pydantic import SecretStr, ValidationError

from videojobs.errors import OutcomeUnknown, VendorRejected
from videojobs.providers.ghostcut.errors import VENDOR, to_error
from videojobs.providers.ghostcut.schemas import Envelope, PointAssets, StatusPage, SubmitResponse, Work, WorkStatus
from videojobs.providers.ghostcut.signing import sign
from videojobs.providers.http import no_answer_error, send, validate_header_secret
from videojobs.providers.schemas import VendorModel, compact_json

SUBMIT_PATH = "/v-w-c/gateway/ve/work/free"  # documented; /work/fast accepts the same body
STATUS_PATH = "/v-w-c/gateway/ve/work/status"
LIST_PATH = "/v-w-c/gateway/ve/work/list"
POINTS_PATH = "/v-w-c/gateway/ve/point/query"
PAGE_SIZE = 2000  # works; the vendor's maximum
MAX_PAGES = 50  # 100,000 works: more than any account makes in the days that are queried
_SUCCESS_CODE = 1000
_UNKNOWN_ID_CODE = "3003"  # fact sheet, section 8
_BAD_ID_CODES = (_UNKNOWN_ID_CODE, "4001")  # a bad parameter, as one of the ids may be

M = TypeVar("M", bound=VendorModel)


class GhostCutClient:
    """Calls GhostCut through `http`, which has the base URL; signs every request."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        app_key: SecretStr,
        app_secret: SecretStr,
        submit_path: str = SUBMIT_PATH,
    ) -> None:
        validate_header_secret(app_key, "AppKey")
        validate_header_secret(app_secret, "AppSecret")
        self._http = http
        self._app_key = app_key
        self._app_secret = app_secret
        self._submit_path = submit_path

    async def submit(self, body: bytes) -> Work:
        """Buy a work. There is no idempotency key: the same bytes sent twice are two paid works.

        Raises `OutcomeUnknown` if the vendor may have accepted it; its `vendor_id` is then the project id, if known.
        """
        answer = await self._send("ghostcut.submit", self._submit_path, body, paid=True)
        submission = _parse_or_none(answer.body, SubmitResponse) or SubmitResponse()
        if submission.work is None:
            raise OutcomeUnknown(
                f"{VENDOR} accepted the request, but its response has no work id",
                vendor_id=submission.id_project,
                accepted=True,
            )
        return submission.work

    async def status(self, work_ids: Sequence[str]) -> dict[str, WorkStatus]:
        """The status of works, in one request; works that the vendor does not know are missing.

        If the vendor rejects a query for several works, each half is queried: one bad id must not hide the others.
        Raises VendorRejected if it rejects each of them for another reason than an unknown id.
        """
        try:
            return await self._fetch_status(work_ids)
        except VendorRejected as rejection:
            if len(work_ids) == 1 and rejection.vendor_code == _UNKNOWN_ID_CODE:
                return {}
            if len(work_ids) == 1 or rejection.vendor_code not in _BAD_ID_CODES:
                raise
        return await self._status_by_halves(work_ids)

    async def _status_by_halves(self, work_ids: Sequence[str]) -> dict[str, WorkStatus]:
        found: dict[str, WorkStatus] = {}
        rejections: list[VendorRejected] = []
        middle = len(work_ids) // 2
        for half in (work_ids[:middle], work_ids[middle:]):
            try:
                found |= await self.status(half)
            except VendorRejected as rejection:
                rejections.append(rejection)
        if len(rejections) > 1:
            raise rejections[0]
        return found

    async def _fetch_status(self, work_ids: Sequence[str]) -> dict[str, WorkStatus]:
        """The vendor may split a long response into pages (not documented); its count tells, and the rest is read."""
        found: dict[str, WorkStatus] = {}
        while missing := [id_ for id_ in dict.fromkeys(work_ids) if id_ not in found]:
            page = await self._fetch_page("ghostcut.status", STATUS_PATH, {"idWorks": missing})
            rows = page.content or []
            new_rows = {row.id: row for row in rows if row.id in missing}
            found |= new_rows
            if not new_rows or (page.count or 0) <= len(rows):
                break
        return found

    async def works_by_project(self, project_id: str) -> list[WorkStatus]:
        """The works of one submit call. Other clients use this query; the vendor does not document it."""
        page = await self._fetch_page("ghostcut.status", STATUS_PATH, {"idProjects": [_project_id_json(project_id)]})
        return page.content or []

    async def works_between(self, since: datetime, until: datetime) -> AsyncIterator[list[WorkStatus]]:
        """All works of the account created in this time, by the vendor's clock: page by page, newest first.

        It reads until a page is empty, whatever count and page size the vendor reports, so the list is complete at the
        end. Raises `VendorUnavailable` if it is not. A work that is created meanwhile moves others to the next page,
        where they appear twice; a deleted one leaves fewer works than the count.
        """
        params = {
            "pageSize": PAGE_SIZE,
            "createTimeGreaterThanOrEqualTo": _to_milliseconds(since),
            "createTimeLessThan": _to_milliseconds(until),
        }
        found: dict[str, WorkStatus] = {}
        counted = 0
        for number in range(MAX_PAGES):
            page = await self._fetch_page("ghostcut.works", LIST_PATH, {"page": number, **params})
            if page.content is None:
                raise no_answer_error(VENDOR, "a list without works", paid=False)
            counted = max(counted, page.count or 0)
            if not page.content:
                break
            if found.keys() >= (rows := {row.id: row for row in page.content}).keys():
                raise no_answer_error(VENDOR, f"page {number} of a list repeats the pages before it", paid=False)
            yield [row for id_, row in rows.items() if id_ not in found]
            found |= rows
        else:
            raise no_answer_error(VENDOR, f"a list of more than {MAX_PAGES} pages", paid=False)
        if len(found) < counted:
            raise no_answer_error(VENDOR, f"a list of {len(found)} works, although its count is {counted}", paid=False)

    async def balance(self) -> Decimal:
        """The account's balance in points; also a free proof that the vendor accepts key and secret."""
        assets = await self._query("ghostcut.balance", POINTS_PATH, {"notZero": True, "isValid": True}, PointAssets)
        return sum((asset.point_balance for asset in assets.point_assets or ()), Decimal(0))

    async def _fetch_page(self, call: str, path: str, payload: dict[str, Any]) -> StatusPage:
        """Works and their total number, which the vendor reports in the envelope or in the body."""
        envelope = await self._send(call, path, compact_json(payload).encode(), paid=False)
        page = _parse_body(envelope, StatusPage)
        return page if page.count is not None else page.model_copy(update={"count": envelope.count})

    async def _query(self, call: str, path: str, payload: dict[str, Any], model: type[M]) -> M:
        return _parse_body(await self._send(call, path, compact_json(payload).encode(), paid=False), model)

    async def _send(self, call: str, path: str, body: bytes, *, paid: bool) -> Envelope:
        """Sign and send the bytes; returns the envelope of a success."""
        headers = {
            "Content-Type": "application/json",
            "AppKey": self._app_key.get_secret_value(),
            "AppSign": sign(body, self._app_secret),
        }
        request = self._http.build_request("POST", path, content=body, headers=headers)
        response = await send(self._http, request, vendor=VENDOR, call=call, paid=paid)
        envelope = _parse_envelope(response)
        if response.is_success and envelope and envelope.code == _SUCCESS_CODE:
            return envelope
        raise to_error(response, envelope, paid=paid)


def _to_milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _parse_body(envelope: Envelope, model: type[M]) -> M:
    answer = _parse_or_none(envelope.body, model)
    if answer is None:
        raise no_answer_error(VENDOR, "an unreadable body", paid=False)
    return answer


def _project_id_json(project_id: str) -> int | str:
    """A number, as in the live sample."""
    return int(project_id) if project_id.isdigit() else project_id


def _parse_envelope(response: httpx.Response) -> Envelope | None:
    try:
        return Envelope.model_validate_json(response.content)
    except ValidationError:
        return None


def _parse_or_none(body: Any, model: type[M]) -> M | None:
    try:
        return model.model_validate(body)
    except ValidationError:
        return None
