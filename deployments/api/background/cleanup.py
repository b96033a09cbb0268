"""Removes what aborted uploads and killed API processes left in the storage, and old deliveries of webhooks."""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from deployments.api.services import Services
from videojobs.storage.object_store import ObjectStore
from videojobs.webhooks.settings import WebhookSettings

_BATCH_SIZE: Final = 100  # uploads per call

log = logging.getLogger(__name__)


async def remove_abandoned_uploads(services: Services, max_age_hours: float) -> None:
    """Remove uploads that were not finished within `max_age_hours`, or that no job has used for a week."""
    repository = await services.repository()
    for upload in await repository.find_abandoned_uploads(timedelta(hours=max_age_hours), _BATCH_SIZE):
        await asyncio.to_thread(_delete_prefix, await services.store(), upload.prefix)
        await repository.delete_upload(upload.id)
        log.info("Upload %s of %s was abandoned; its objects are deleted", upload.id, upload.user_id)


async def delete_old_webhooks(services: Services) -> None:
    """Delete deliveries that are older than `VIDEOJOBS_WEBHOOK_RETENTION_DAYS`."""
    repository = await services.repository()
    while count := await repository.delete_old_deliveries(timedelta(days=WebhookSettings.current().retention_days)):
        log.info("%d old webhook deliveries are deleted", count)


def _delete_prefix(store: ObjectStore, prefix: str) -> None:
    store.delete(list(store.list_keys(prefix)))
    store.abort_multipart_uploads(prefix)
