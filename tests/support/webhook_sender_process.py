"""`python -m tests.support.webhook_sender_process`: what the API process runs to send webhooks, without the rest of it.

It starts in a tenth of the time, since it needs no Prefect.
"""

import asyncio
import os

from deployments.api.background.webhook_dispatcher import WebhookDispatcher
from videojobs.db import JobRepository, get_engine


async def get_repository() -> JobRepository:
    return JobRepository(get_engine(os.environ["DATABASE_URL"]))


if __name__ == "__main__":
    asyncio.run(WebhookDispatcher(get_repository).run())
