"""Direct uploads: the client sends a large file to the storage itself, by signed links, and names it in a job."""

import asyncio
import re
from functools import partial
from pathlib import PurePath
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request

from deployments.gateway.access import Submitter
from deployments.gateway.asking import json_as, json_of
from deployments.gateway.front import TheFront
from deployments.gateway.multipart import MOST_PARTS, Multipart
from deployments.gateway.problems import Refused, answers, refused_input, wait_and_repeat
from deployments.gateway.shapes import MEDIA, UploadBegun, UploadDone, UploadParts, UploadWanted
from videojobs.errors import InvalidMedia, Problem
from videojobs.ledger.uploads import Upload, new_upload_id
from videojobs.media.store import ObjectStore, StoredObject
from videojobs.request import OWNER_ID
from videojobs.settings import Limits

router = APIRouter(tags=["uploads"])

_PART: Final = 16 * 1024**2  # bytes: seconds of a usual connection, so little is lost with one that breaks
_SLOW_DOWN_SECONDS: Final = 600
_LINKS: Final = {
    "complete": {
        "operationRef": "#/paths/~1api~1v1~1uploads~1{upload_id}~1complete/post",
        "parameters": {"upload_id": "$response.body#/upload_id"},
    }
}


@router.post(
    "/uploads",
    status_code=201,
    responses={201: {"links": _LINKS}, **answers(400, 401, 403, 408, 413, 415, 422, 429, 503)},
    openapi_extra=json_of(UploadWanted),
    summary="Begin to send a file to the storage",
)
async def begin(request: Request, who: Submitter, front: TheFront) -> UploadBegun:
    """Links for all its parts, which work for a day."""
    wanted = await json_as(request, UploadWanted)
    _check(wanted)
    ledger, store = await front.backing.ledger(), await front.backing.store()
    if await ledger.unfinished_uploads(who.user_id) >= front.door.direct_uploads_at_once:
        raise wait_and_repeat(_SLOW_DOWN_SECONDS, "Too many uploads were begun and not completed.")
    upload_id = new_upload_id()
    prefix = f"users/{who.user_id}/uploads/{upload_id}/"
    key, part_size = prefix + safe_name(wanted.file_name), max(_PART, -(-wanted.size // MOST_PARTS))
    row = Upload(id=upload_id, user_id=who.user_id, prefix=prefix, key=key, size=wanted.size, part_size=part_size)
    await ledger.begin_upload(row)
    multipart = await asyncio.to_thread(Multipart.begin, store, key, wanted.content_type)
    await ledger.name_multipart(upload_id, multipart.upload_id)
    seconds = round(front.door.direct_upload_hours * 3600)
    return UploadBegun(upload_id=upload_id, part_size=part_size, parts=_links(multipart, row, seconds))


@router.post(
    "/uploads/{upload_id}/complete",
    responses=answers(400, 401, 403, 404, 408, 413, 415, 422, 429, 503),
    openapi_extra=json_of(UploadParts),
    summary="Complete a file in the storage",
)
async def complete(
    upload_id: Annotated[str, Path(description="As the beginning named it.")],
    request: Request,
    who: Submitter,
    front: TheFront,
) -> UploadDone:
    """All parts are there. Sent again, it gives the same answer."""
    parts = await json_as(request, UploadParts)
    ledger, store = await front.backing.ledger(), await front.backing.store()
    row = await ledger.upload(upload_id, who.user_id) if re.fullmatch(OWNER_ID, upload_id) else None
    if row is None or row.key is None or row.multipart_id is None:
        raise Refused(404, "There is no such upload.")
    if row.source is None:
        stored = await _completed(store, row, parts.etags)
        await ledger.finish_upload(row.id, stored.uri)
        return UploadDone(source=stored.uri)
    return UploadDone(source=row.source)


async def _completed(store: ObjectStore, row: Upload, etags: list[str]) -> StoredObject:
    if len(etags) != row.parts:
        raise refused_input([Problem("etags", f"has {len(etags)} entries; this upload has {row.parts} parts")])
    multipart = Multipart(store, str(row.key), str(row.multipart_id))
    try:
        stored = await asyncio.to_thread(multipart.complete, etags)
    except InvalidMedia as error:
        raise refused_input([Problem("etags", str(error))]) from error
    if stored.size != row.size:
        await asyncio.to_thread(partial(store.delete, [stored.key]))
        raise refused_input([Problem("size", f"{stored.size} bytes came, and {row.size} were announced; begin again")])
    return stored


def _check(wanted: UploadWanted) -> None:
    most = Limits().max_video_bytes
    if wanted.size > most:
        raise Refused(413, f"The file is too large; at most {most} bytes are taken here.")
    if not re.fullmatch(MEDIA, wanted.content_type):
        raise refused_input([Problem("content_type", "must be a video or audio type, such as video/mp4")])


def _links(multipart: Multipart, row: Upload, seconds: int) -> list[str]:
    size, part_size = row.size or 0, row.part_size or 1
    sizes = [min(part_size, size - begin) for begin in range(0, size, part_size)]
    return [multipart.link(number, part, seconds) for number, part in enumerate(sizes, start=1)]


def safe_name(name: str) -> str:
    """A file name that is safe in a path, in a header and in a log: `talk.mp4` stays, `../a b.mp4` is `a_b.mp4`."""
    last = PurePath(name.replace("\\", "/")).name
    return re.sub(r"[^A-Za-z0-9._-]+", "_", last)[-100:].lstrip(".-_") or "file"
