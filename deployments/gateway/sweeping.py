"""Removes what broken-off uploads, and doors that were killed, left in the storage."""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from deployments.gateway.backing import Backing
from videojobs.media.store import ObjectStore

_AT_ONCE: Final = 100  # uploads; the next sweep sees the next ones

log = logging.getLogger(__name__)


async def sweep(backing: Backing, hours: float) -> None:
    """What was begun so long ago and never finished, or finished and used by no job for a week."""
    ledger = await backing.ledger()
    for upload in await ledger.abandoned(timedelta(hours=hours), _AT_ONCE):
        await asyncio.to_thread(_empty, await backing.store(), upload.prefix)
        await ledger.forget_upload(upload.id)
        log.info("Upload %s of %s was abandoned; what there was of it is removed", upload.id, upload.user_id)


def _empty(store: ObjectStore, prefix: str) -> None:
    store.delete(list(store.keys(prefix)))
    store.abort_unfinished(prefix)
