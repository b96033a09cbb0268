"""Reads a submission: its body (JSON or multipart form), its idempotency key, its digest."""

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from deployments.local.emulators.sync_so.errors import VendorApiError

KEY_PATTERN = re.compile(r"[A-Za-z0-9._~-]{1,128}")
FILE_PARTS = ("video", "image", "audio")
JSON_PARTS = ("input", "options", "segments", "dubParams")


def idempotency_key(request: Request) -> str | None:
    """The only `Idempotency-Key`; None without one. Raises VendorApiError 400."""
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not KEY_PATTERN.fullmatch(keys[0]):
        raise VendorApiError(400, "The Idempotency-Key header is invalid", "INVALID_IDEMPOTENCY_KEY")
    return keys[0]


def digest(body: object) -> str:
    """Equal for two equal bodies, in any order of fields."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


async def read_body(request: Request, uploads: Path, uploads_url: str) -> Any:
    """The request as JSON. A form's files are stored, and become inputs with a URL."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await _read_form(request, uploads, uploads_url)
    return parse_json(await request.body())


def parse_json(text: bytes | str) -> Any:
    """Strict JSON: no NaN, no Infinity, no number that becomes one. Raises VendorApiError 400."""
    try:
        return json.loads(text, parse_constant=_reject_constant, parse_float=_parse_finite)
    except ValueError as error:
        raise VendorApiError(400, f"The body is no valid JSON: {error}") from error


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"unexpected token {constant}")


def _parse_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"number out of range: {text}")
    return number


async def _read_form(request: Request, uploads: Path, uploads_url: str) -> dict[str, Any]:
    """The form's limits are the vendor's: 3 files, 32 fields of 1 MiB (fact sheet 2)."""
    try:
        form = await request.form(max_files=3, max_fields=32, max_part_size=2**20)
    except HTTPException as error:
        raise VendorApiError(413, str(error.detail), "generation_input_validation_failed") from error
    body: dict[str, Any] = {}
    files = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            files.append(await _store_upload(name, value, uploads, uploads_url))
        else:
            body[name] = parse_json(value) if name in JSON_PARTS else value
    body["input"] = files + (body.get("input") or [])
    return body


async def _store_upload(part: str, upload: UploadFile, uploads: Path, uploads_url: str) -> dict[str, str]:
    """Store the file under its hash, so that the same form sent twice is the same request."""
    if part not in FILE_PARTS:
        raise VendorApiError(400, [f"{part} is not a file field"])
    content = await upload.read()
    name = hashlib.sha256(content).hexdigest()
    (uploads / name).write_bytes(content)
    return {"type": part, "url": f"{uploads_url}/{name}"}
