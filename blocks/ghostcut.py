"""The GhostCut account that text removal is charged to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import Field, SecretStr

from blocks.client_pool import CredentialsBlock
from videojobs.providers.ghostcut.client import GhostCutClient
from videojobs.providers.http import vendor_http_client


class GhostCutCredentials(CredentialsBlock):
    """Access to the GhostCut API (text removal). Every work is charged to this account in points."""

    _block_type_name = "GhostCut Credentials"
    _block_type_slug = "ghostcut-credentials"
    _description = "Access to the GhostCut API (text removal). Every work is charged to this account in points."
    _documentation_url = "https://github.com/zhaoli-ai/GhostCut-ai"  # type: ignore[assignment]  # Prefect's type is a URL
    callback_secret_field = "app_secret"  # noqa: S105  # a name

    app_key: SecretStr = Field(title="App key", description="Sent as AppKey.")
    app_secret: SecretStr = Field(title="App secret", description="Signs every request; never sent.")
    base_url: str = Field(
        default="https://api.zhaoli.com",
        title="Base URL",
        description="Where the API is; change it to use an emulator or a proxy.",
    )
    submit_path: str = Field(
        default="/v-w-c/gateway/ve/work/free",
        title="Submit path",
        description="The vendor documents /work/free; some accounts use /work/fast.",
    )

    @asynccontextmanager
    async def client(self) -> AsyncIterator[GhostCutClient]:
        """A client that lives as long as the context."""
        async with vendor_http_client(self.base_url) as http:
            yield GhostCutClient(http, self.app_key, self.app_secret, submit_path=self.submit_path)
