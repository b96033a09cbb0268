"""Deletes old deliveries of webhooks."""

import logging
from datetime import timedelta

from deployments.api.services import Services
from videojobs.webhooks.settings import WebhookSettings

log = logging.getLogger(__name__)


async def delete_old_webhooks(services: Services) -> None:
    """Delete deliveries that are older than `VIDEOJOBS_WEBHOOK_RETENTION_DAYS`, a batch at a time."""
    repository = await services.repository()
    while count := await repository.delete_old_deliveries(timedelta(days=WebhookSettings.current().retention_days)):
        log.info("%d old webhook deliveries are deleted", count)
