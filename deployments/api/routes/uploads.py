"""Direct uploads: the client sends a large file to the storage itself, by signed links, and names it in a job."""

import asyncio
import re
from functools import partial
from pathlib import PurePath
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request

from deployments.api.auth import Submitter
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import ApiError, error_responses, too_many_requests, validation_error
from deployments.api.routes.job_requests import openapi_json_body, read_json_as
from deployments.api.schemas.jobs import MEDIA_TYPE_PATTERN, UploadComplete, UploadCreate, UploadParts, UploadStarted
from deployments.api.uploads.s3_multipart import MAX_PARTS, MultipartUpload
from videojobs.db.uploads import Upload, new_upload_id
from videojobs.errors import FieldError, InvalidMedia
from videojobs.requests.models import ID_PATTERN
from videojobs.settings import LimitSettings
from videojobs.storage.object_store import ObjectStore, StoredObject

router = APIRouter(tags=["uploads"])

_DEFAULT_PART_BYTES: Final = (
    16 * 1024**2
)  # bytes: seconds of a usual connection, so little is lost with one that breaks
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
    summary="Begin to send a file to the storage",
)
async def start_upload(request: Request, principal: Submitter, state: AppStateDep) -> UploadStarted:
    """Links for all its parts, which work for a day."""
    file_info = await read_json_as(request, UploadCreate)
    _validate(file_info)
    repository, store = await state.services.repository(), await state.services.store()
    if await repository.count_unfinished_uploads(principal.user_id) >= state.settings.max_direct_uploads:
        raise too_many_requests(_RETRY_AFTER_SECONDS, "Too many uploads were begun and not completed.")
    upload_id = new_upload_id()
    prefix = f"users/{principal.user_id}/uploads/{upload_id}/"
    key, part_size = (
        prefix + sanitize_file_name(file_info.file_name),
        max(_DEFAULT_PART_BYTES, -(-file_info.size // MAX_PARTS)),
    )
    row = Upload(
        id=upload_id, user_id=principal.user_id, prefix=prefix, key=key, size=file_info.size, part_size=part_size
    )
    await repository.create_upload(row)
    multipart = await asyncio.to_thread(MultipartUpload.create, store, key, file_info.content_type)
    await repository.set_multipart_id(upload_id, multipart.upload_id)
    seconds = round(state.settings.direct_upload_hours * 3600)
    return UploadStarted(upload_id=upload_id, part_size=part_size, parts=_presign_parts(multipart, row, seconds))


@router.post(
    "/uploads/{upload_id}/complete",
    responses=error_responses(400, 401, 403, 404, 408, 413, 415, 422, 429, 503),
    openapi_extra=openapi_json_body(UploadParts),
    summary="Complete a file in the storage",
)
async def complete_upload(
    upload_id: Annotated[str, Path(description="As the beginning named it.")],
    request: Request,
    principal: Submitter,
    state: AppStateDep,
) -> UploadComplete:
    """All parts are there. Sent again, it gives the same answer."""
    parts = await read_json_as(request, UploadParts)
    repository, store = await state.services.repository(), await state.services.store()
    row = await repository.get_upload(upload_id, principal.user_id) if re.fullmatch(ID_PATTERN, upload_id) else None
    if row is None or row.key is None or row.multipart_id is None:
        raise ApiError(404, "There is no such upload.")
    if row.source is None:
        stored = await _complete_multipart(store, row, parts.etags)
        await repository.finish_upload(row.id, stored.uri)
        return UploadComplete(source=stored.uri)
    return UploadComplete(source=row.source)


async def _complete_multipart(store: ObjectStore, row: Upload, etags: list[str]) -> StoredObject:
    if len(etags) != row.part_count:
        raise validation_error(
            [FieldError("etags", f"has {len(etags)} entries; this upload has {row.part_count} parts")]
        )
    multipart = MultipartUpload(store, str(row.key), str(row.multipart_id))
    try:
        stored = await asyncio.to_thread(multipart.complete, etags)
    except InvalidMedia as error:
        raise validation_error([FieldError("etags", str(error))]) from error
    if stored.size != row.size:
        await asyncio.to_thread(partial(store.delete, [stored.key]))
        raise validation_error(
            [FieldError("size", f"{stored.size} bytes came, and {row.size} were announced; begin again")]
        )
    return stored


def _validate(file_info: UploadCreate) -> None:
    max_bytes = LimitSettings().max_video_bytes
    if file_info.size > max_bytes:
        raise ApiError(413, f"The file is too large; at most {max_bytes} bytes are taken here.")
    if not re.fullmatch(MEDIA_TYPE_PATTERN, file_info.content_type):
        raise validation_error([FieldError("content_type", "must be a video or audio type, such as video/mp4")])


def _presign_parts(multipart: MultipartUpload, row: Upload, seconds: int) -> list[str]:
    size, part_size = row.size or 0, row.part_size or 1
    sizes = [min(part_size, size - begin) for begin in range(0, size, part_size)]
    return [multipart.presign_part(number, part, seconds) for number, part in enumerate(sizes, start=1)]


def sanitize_file_name(name: str) -> str:
    """A file name that is safe in a path, in a header and in a log: `talk.mp4` stays, `../a b.mp4` is `a_b.mp4`."""
    last = PurePath(name.replace("\\", "/")).name
    return re.sub(r"[^A-Za-z0-9._-]+", "_", last)[-100:].lstrip(".-_") or "file"
