"""Removes what aborted uploads and killed API processes left in the storage."""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from deployments.api.services import Services

_BATCH_SIZE: Final = 100  # uploads per call

log = logging.getLogger(__name__)


async def remove_abandoned_uploads(services: Services, max_age_hours: float) -> None:
    """Remove uploads that were not finished within `max_age_hours`, or that no job has used for a week."""
    repository = await services.repository()
    for upload in await repository.find_abandoned_uploads(timedelta(hours=max_age_hours), _BATCH_SIZE):
        await asyncio.to_thread((await services.store()).delete_prefix, upload.prefix)
        await repository.delete_upload(upload.id)
        log.info("Upload %s of %s was abandoned; its objects are deleted", upload.id, upload.user_id)
