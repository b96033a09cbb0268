"""GhostCut's responses: an envelope with HTTP 200 for everything, and the JSON of works."""

from secrets import token_hex

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deployments.local.emulators.ghostcut import statuses
from deployments.local.emulators.sqlite_store import Row

SUCCESS_CODE = 1000
MESSAGES = {
    SUCCESS_CODE: "success",
    2001: "AppKey or AppSign header missing",
    2002: "only POST is supported",
    2003: "AppKey invalid",
    2004: "AppSign invalid",
    3006: "Data process Limit",
    9999: "system error",
}


class VendorApiError(Exception):
    """A business error with its code and message."""

    def __init__(self, code: int, message: str | None = None) -> None:
        self.code = code
        self.message = message or MESSAGES.get(code, "error")
        super().__init__(f"{code} {self.message}")


def success_response(body: object, count: int | None = None) -> Response:
    """The envelope of a successful call."""
    content = {"msg": MESSAGES[SUCCESS_CODE], "trace": token_hex(8), "code": SUCCESS_CODE, "body": body}
    return JSONResponse(content if count is None else content | {"count": count})


def error_response(_request: Request, error: Exception) -> Response:
    """Also HTTP 200; only an unknown path is a 404."""
    if isinstance(error, VendorApiError):
        return JSONResponse({"msg": error.message, "trace": token_hex(8), "code": error.code, "body": None})
    return JSONResponse({"status": 404, "error": "Not Found"}, 404)


def work_json(row: Row, progress: float, video_url: str, language: str, *, ids_as_strings: bool) -> Row:
    """A `content[]` item, also the body of a callback. Without a result it has no `videoUrl`."""
    to_id = str if ids_as_strings else int
    item = {
        "id": to_id(row["id"]),
        "idProject": to_id(row["id_project"]),
        "url": row["url"],
        "processStatus": row["status"],
        "processStatusEnum": {
            "code": row["status"],
            "description": statuses.describe(row["status"]),
        },
        "processProgress": progress,
        "paidPoint": row["paid"],
        "duration": row["duration"],
        "sourceLang": language,
        "lang": "",
        "srcSrtUrl": "",
        "tgtSrtUrl": "",
        "errorDetail": row["detail"],
    }
    return item | {"videoUrl": video_url} if row["status"] == statuses.SUCCESS else item
