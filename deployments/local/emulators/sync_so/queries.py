"""Reads and checks query parameters of Sync.so."""

from dataclasses import dataclass

from starlette.requests import Request

from deployments.local.emulators.sqlite_store import Row
from deployments.local.emulators.sync_so.errors import VendorApiError

STATUSES = ("PENDING", "PROCESSING", "COMPLETED", "FAILED", "REJECTED")


@dataclass(frozen=True, slots=True)
class StatusQuery:
    """The query of `GET /v2/generate/{id}`: respond at once, or wait up to `wait_seconds`."""

    wait_seconds: float | None
    with_progress: bool

    @classmethod
    def from_request(cls, request: Request) -> "StatusQuery":
        query = request.query_params
        waits = query.get("wait") == "true"
        with_progress = "progress" in _list_parameter(request, "include")
        if waits and with_progress:
            raise VendorApiError(400, ["include=progress cannot be combined with wait"])
        seconds = _parse_number(query.get("timeout", "5"), "timeout", 1, 10)
        return cls(seconds if waits else None, with_progress)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The query of a list of generations: filter, page size, cursor."""

    statuses: list[str]
    ids: list[str]
    project: str | None
    limit: int | None
    cursor: str | None

    @classmethod
    def from_request(cls, request: Request) -> "ListQuery":
        query = request.query_params
        statuses = _list_parameter(request, "status")
        if unknown := set(statuses) - set(STATUSES):
            raise VendorApiError(400, [f"status must not be {', '.join(sorted(unknown))}"])
        limit = query.get("limit")
        if "cursor" in query and limit is None:
            raise VendorApiError(400, ["cursor requires limit"])
        return cls(
            statuses,
            _list_parameter(request, "ids"),
            query.get("projectId"),
            None if limit is None else int(_parse_number(limit, "limit", 1, 100)),
            query.get("cursor"),
        )

    def select_page(self, newest_first: list[Row]) -> list[Row]:
        """The matching ones: a page of the newest, or without a limit all of them, unordered."""
        rows = [row for row in newest_first if self._matches(row)]
        if self.limit is None:
            return sorted(rows, key=lambda row: str(row["id"]))  # ids are random: clients must not rely on the order
        ids = [row["id"] for row in rows]
        if self.cursor is not None and self.cursor not in ids:
            raise VendorApiError(400, ["cursor is unknown"])
        start = ids.index(self.cursor) + 1 if self.cursor is not None else 0
        return rows[start : start + self.limit]

    def _matches(self, row: Row) -> bool:
        return (
            (not self.statuses or row["status"] in self.statuses)
            and (not self.ids or row["id"] in self.ids)
            and self.project is None  # the emulator has no projects: none matches
        )


def _list_parameter(request: Request, name: str) -> list[str]:
    """A comma-separated list, a repeated parameter, or both."""
    given = ",".join(request.query_params.getlist(name))
    return [item.strip() for item in given.split(",") if item.strip()]


def _parse_number(text: str, name: str, lowest: int, highest: int) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not lowest <= number <= highest:
        raise VendorApiError(400, [f"{name} must be between {lowest} and {highest}"])
    return number
