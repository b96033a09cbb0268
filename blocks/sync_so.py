"""The Sync.so account that lip-sync jobs are charged to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import Field, SecretStr

from blocks.client_pool import CredentialsBlock
from videojobs.providers.http import vendor_http_client
from videojobs.providers.sync_so.client import SyncSoClient


class SyncSoCredentials(CredentialsBlock):
    """Access to the Sync.so API (lip-sync). Every generation is charged to this account."""

    _block_type_name = "Sync.so Credentials"
    _block_type_slug = "sync-so-credentials"
    _description = "Access to the Sync.so API (lip-sync). Every generation is charged to this account."
    _documentation_url = "https://sync.so/docs/api-reference"  # type: ignore[assignment]  # Prefect's type is a URL
    callback_secret_field = "webhook_secret"  # noqa: S105  # a name

    api_key: SecretStr = Field(title="API key", description="From the Sync.so dashboard; sent as x-api-key.")
    base_url: str = Field(
        default="https://api.sync.so",
        title="Base URL",
        description="Where the API is; change it to use an emulator or a proxy.",
    )

    webhook_secret: SecretStr | None = Field(
        default=None,
        title="Webhook secret",
        description="The whole whsec_... text from the dashboard (API keys, webhooks): what webhooks are signed with. "
        "Without it the API rejects them, and Sync.so is only polled.",
    )

    @asynccontextmanager
    async def client(self) -> AsyncIterator[SyncSoClient]:
        """A client that lives as long as the context."""
        async with vendor_http_client(self.base_url, headers={"x-api-key": self.api_key}) as http:
            yield SyncSoClient(http)
