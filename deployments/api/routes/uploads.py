"""Direct uploads: the client sends a large file to the storage by signed links, and names it in a job request."""

import asyncio
import re
from pathlib import PurePath
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request

from deployments.api.auth import Submitter
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import ApiError, error_responses, too_many_requests, validation_error
from deployments.api.request_body import openapi_json_body, read_json_as
from deployments.api.schemas.uploads import (
    MEDIA_TYPE_PATTERN,
    UploadComplete,
    UploadCreate,
    UploadParts,
    UploadStarted,
)
from videojobs.db.uploads import Upload, new_upload_id
from videojobs.errors import FieldError, InvalidMedia, ProblemCode
from videojobs.requests.models import ID_PATTERN
from videojobs.settings import LimitSettings
from videojobs.storage.multipart_upload import MAX_PARTS, MultipartUpload
from videojobs.storage.object_store import ObjectStore, StoredObject

router = APIRouter(tags=["uploads"])

_DEFAULT_PART_BYTES: Final = 16 * 1024**2  # seconds of a usual connection: little is lost when it breaks
_RETRY_AFTER_SECONDS: Final = 600
_OPENAPI_LINKS: Final = {
    "complete": {
        "operationRef": "#/paths/~1api~1v1~1uploads~1{upload_id}~1complete/post",
        "parameters": {"upload_id": "$response.body#/upload_id"},
    }
}


@router.post(
    "/uploads",
    status_code=201,
    responses={201: {"links": _OPENAPI_LINKS}, **error_responses(400, 401, 403, 408, 413, 415, 422, 429, 503)},
    openapi_extra=openapi_json_body(UploadCreate),
    summary="Start a direct upload",
)
async def start_upload(request: Request, principal: Submitter, state: AppStateDep) -> UploadStarted:
    """Links for all parts of the file, valid for a day."""
    file_info = await read_json_as(request, UploadCreate)
    _validate(file_info)
    repository, store = await state.services.repository(), await state.services.store()
    if await repository.count_unfinished_uploads(principal.user_id) >= state.settings.max_direct_uploads:
        raise too_many_requests(_RETRY_AFTER_SECONDS, "Too many unfinished uploads; complete some first.")
    upload_id = new_upload_id()
    prefix = f"users/{principal.user_id}/uploads/{upload_id}/"
    key = prefix + sanitize_file_name(file_info.file_name)
    part_size = max(_DEFAULT_PART_BYTES, -(-file_info.size // MAX_PARTS))
    row = Upload(
        id=upload_id, user_id=principal.user_id, prefix=prefix, key=key, size=file_info.size, part_size=part_size
    )
    await repository.create_upload(row)
    multipart = await asyncio.to_thread(MultipartUpload.create, store, key, file_info.content_type)
    await repository.set_multipart_id(upload_id, multipart.upload_id)
    seconds = round(state.settings.direct_upload_url_ttl_hours * 3600)
    return UploadStarted(upload_id=upload_id, part_size=part_size, parts=_presign_parts(multipart, row, seconds))


@router.post(
    "/uploads/{upload_id}/complete",
    responses=error_responses(400, 401, 403, 404, 408, 413, 415, 422, 429, 503),
    openapi_extra=openapi_json_body(UploadParts),
    summary="Complete a direct upload",
)
async def complete_upload(
    upload_id: Annotated[str, Path(description="As the start of the upload returned it.")],
    request: Request,
    principal: Submitter,
    state: AppStateDep,
) -> UploadComplete:
    """Call it once all parts are sent. A repeated call returns the same response."""
    parts = await read_json_as(request, UploadParts)
    repository, store = await state.services.repository(), await state.services.store()
    row = await repository.get_upload(upload_id, principal.user_id) if re.fullmatch(ID_PATTERN, upload_id) else None
    if row is None or row.key is None or row.multipart_id is None:
        raise ApiError(404, "This upload does not exist.")
    if row.source is None:
        stored = await _complete_multipart(store, row, parts.etags)
        await repository.finish_upload(row.id, stored.uri)
        return UploadComplete(source=stored.uri)
    return UploadComplete(source=row.source)


async def _complete_multipart(store: ObjectStore, row: Upload, etags: list[str]) -> StoredObject:
    if len(etags) != row.part_count:
        message = f"has {len(etags)} entries; this upload has {row.part_count} parts"
        raise validation_error([FieldError("etags", message, ProblemCode.FILE_COUNT)])
    multipart = MultipartUpload(store, str(row.key), str(row.multipart_id))
    try:
        stored = await asyncio.to_thread(multipart.complete, etags)
    except InvalidMedia as error:
        raise validation_error([FieldError("etags", str(error))]) from error
    if stored.size != row.size:
        await asyncio.to_thread(store.delete, [stored.key])
        raise validation_error(
            [FieldError("size", f"{stored.size} bytes were sent instead of {row.size}; start a new upload")]
        )
    return stored


def _validate(file_info: UploadCreate) -> None:
    max_bytes = LimitSettings.current().max_video_bytes
    if file_info.size > max_bytes:
        raise ApiError(413, f"The file is too large; the limit is {max_bytes} bytes.")
    if not re.fullmatch(MEDIA_TYPE_PATTERN, file_info.content_type):
        raise validation_error(
            [FieldError("content_type", "must be a video or audio type, such as video/mp4", ProblemCode.INVALID_FORMAT)]
        )


def _presign_parts(multipart: MultipartUpload, row: Upload, seconds: int) -> list[str]:
    size, part_size = row.size or 0, row.part_size or 1
    sizes = [min(part_size, size - begin) for begin in range(0, size, part_size)]
    return [multipart.presign_part(number, part, seconds) for number, part in enumerate(sizes, start=1)]


def sanitize_file_name(name: str) -> str:
    """A file name that is safe in a path, a header and a log: `talk.mp4` stays, `../a b.mp4` becomes `a_b.mp4`."""
    last = PurePath(name.replace("\\", "/")).name
    return re.sub(r"[^A-Za-z0-9._-]+", "_", last)[-100:].lstrip(".-_") or "file"
