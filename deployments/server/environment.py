"""Addresses and credentials: the product-wide variables, from the environment or a `.env` file.

A variable of the process overrides `.env`; an empty value counts as unset.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import SecretStr, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

REPOSITORY_ROOT = Path(__file__).resolve().parents[2]


class Environment(BaseSettings):
    """Every variable is optional: each command says which ones it requires.

    `.env` is read from the repository and from the working directory; the latter wins. `make` passes every line
    of it to its commands, so it may hold all other settings too.
    """

    model_config = SettingsConfigDict(
        env_file=(REPOSITORY_ROOT / ".env", ".env"),
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",  # a `.env` may also hold PREFECT_... settings, which Prefect reads
        frozen=True,
    )

    database_url: SecretStr | None = None
    """`postgresql://user:password@host:port/database`, the job database."""
    prefect_api_url: str | None = None
    """`http://host:port/api`, without a slash at the end."""
    prefect_api_auth_string: SecretStr | None = None
    """`user:password`, as the server has it in `PREFECT_SERVER_API_AUTH_STRING`."""
    prefect_api_key: SecretStr | None = None
    """For Prefect Cloud."""

    s3_endpoint_url: str | None = None
    """Unset means AWS's own endpoint of `s3_region`."""
    s3_bucket: str | None = None
    """Holds inputs and results. The vendors fetch from it by presigned links, so they must be able to reach it."""
    s3_access_key_id: SecretStr | None = None
    """May read, write, list and delete in the bucket."""
    s3_secret_access_key: SecretStr | None = None
    """The secret of `s3_access_key_id`."""
    s3_region: str | None = None
    """The bucket's region. Unset: `us-east-1`."""

    sync_so_base_url: str | None = None
    """Unset: the vendor's own address."""
    sync_so_api_key: SecretStr | None = None
    """Each generation is billed to its account."""
    sync_so_webhook_secret: SecretStr | None = None
    """The whole `whsec_...` text. Unset: callbacks of Sync.so are rejected."""

    ghostcut_base_url: str | None = None
    """Unset: the vendor's own address."""
    ghostcut_app_key: SecretStr | None = None
    """Each work is billed to its account."""
    ghostcut_app_secret: SecretStr | None = None
    """Signs requests, and proves that a callback comes from GhostCut."""
    ghostcut_submit_path: str | None = None
    """Unset: `/v-w-c/gateway/ve/work/free`, as documented. Some accounts use `/v-w-c/gateway/ve/work/fast`."""

    def provider_values(self, provider: str, fields: Iterable[str]) -> dict[str, SecretStr | str | None]:
        """The variables of a provider's account by field of its block, also those that are not declared here."""
        names = {field: f"{provider}_{field}" for field in fields}
        undeclared: dict[str, Any] = {
            name: (str | None, None) for name in names.values() if name not in type(self).model_fields
        }
        others = create_model("ProviderEnvironment", __base__=Environment, **undeclared)()
        return {field: getattr(others if name in undeclared else self, name) for field, name in names.items()}

    def variables(self) -> dict[str, str]:
        """The variables that are set, secrets included, under their names in the environment."""
        values = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {
            name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in values
            if value is not None
        }


EMPTY_ENVIRONMENT = Environment.model_construct()
"""No variables, whatever the environment and `.env` say. For tests, which must never reach a paid vendor."""
