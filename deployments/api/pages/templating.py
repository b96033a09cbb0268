"""Renders pages from templates, with a Content-Security-Policy."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from videojobs.storage.object_store import ObjectStore

_PAGES_DIR: Final = Path(__file__).parent
_TEMPLATES: Final = Jinja2Templates(_PAGES_DIR / "templates")  # escapes all values
_TEMPLATES.env.trim_blocks = _TEMPLATES.env.lstrip_blocks = True


class StaticAssets(StaticFiles):
    """Styles and scripts. Browsers revalidate each time, because the script modules import each other by name."""

    def __init__(self) -> None:
        super().__init__(directory=_PAGES_DIR / "static")

    def file_response(self, full_path: Any, stat_result: Any, scope: Scope, status_code: int = 200) -> Any:
        answer = super().file_response(full_path, stat_result, scope, status_code)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def render_page(
    request: Request, name: str, status: int = 200, /, *, storage: str = "", **context: Any
) -> HTMLResponse:
    """Render a template. `storage` is the origin of links to files, if the page has any.

    `BodyLimitMiddleware` adds the headers that all responses share.
    """
    # "same-origin": other sites must not see job addresses, and forms need their Origin.
    headers = {"Content-Security-Policy": content_security_policy(storage), "Referrer-Policy": "same-origin"}
    return _TEMPLATES.TemplateResponse(
        request, name, {"current_user": None, "active_page": "", **context}, status, headers
    )


def storage_origin(store: ObjectStore) -> str:
    """The origin of the storage's links: the only other origin that a page may load from and send to."""
    link = urlsplit(store.presign("any", 60))
    return f"{link.scheme}://{link.netloc}"


def content_security_policy(storage: str) -> str:
    """The page may load our own files and media from the storage. No inline scripts or styles."""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self' data: {storage}".strip(),
            f"media-src 'self' blob: {storage}".strip(),
            f"connect-src 'self' {storage}".strip(),
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ]
    )
