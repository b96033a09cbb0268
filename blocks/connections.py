"""Which blocks a run uses. Runs carry these names; the secrets behind them are loaded where they are used."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pkgutil import resolve_name
from typing import Any

from prefect_aws import S3Bucket
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, model_validator

from blocks.block_cache import BlockCache
from blocks.client_pool import BLOCK_CACHE, CredentialsBlock, get_client_pool
from blocks.job_database import JobDatabase
from videojobs.db import JobRepository
from videojobs.errors import ConfigurationError
from videojobs.providers.base import Provider
from videojobs.providers.block_names import default_block_name
from videojobs.providers.registry import providers
from videojobs.storage.object_store import ObjectStore


def credentials_block(provider: Provider[Any]) -> type[CredentialsBlock]:
    """The block class with the provider's account. Raises ConfigurationError where its package does not have it."""
    try:
        block_class: type[CredentialsBlock] = resolve_name(provider.credentials_block)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"the provider {provider.key!r} has no credentials block {provider.credentials_block} ({error})"
        ) from error
    return block_class


def callback_secret_variable(provider: Provider[Any]) -> str:
    """The environment variable that `make deploy` takes the callback secret from."""
    return f"{provider.key}_{credentials_block(provider).callback_secret_field}".upper()


def _add_provider_fields(schema: dict[str, Any]) -> None:
    """The parameter form shows one field per installed provider."""
    schema["additionalProperties"] = False
    for position, provider in enumerate(providers().values(), start=len(schema["properties"])):
        schema["properties"][provider.key] = {
            "default": default_block_name(provider.key),
            "description": f"Name of a {provider.display_name} Credentials block.",
            "position": position,
            "title": provider.display_name,
            "type": "string",
        }


class Connections(BaseModel):
    """Names of the blocks that a run works with. The defaults are the ones that `make deploy` creates.

    One more for each installed provider, under its key.
    """

    model_config = ConfigDict(extra="allow", frozen=True, json_schema_extra=_add_provider_fields)
    __pydantic_extra__: dict[str, str]

    database: str = Field(
        "job-database",
        title="Job database",
        description="Name of a Job Database block.",
        json_schema_extra={"position": 0},
    )
    storage: str = Field(
        "video-storage", title="Storage", description="Name of an S3 Bucket block.", json_schema_extra={"position": 1}
    )

    _unknown: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _name_provider_blocks(cls, value: Any) -> Any:
        """Refuses a misspelt name: its default would be used instead, which is another account."""
        if not isinstance(value, Mapping):
            return value
        if unknown := [name for name in value if name not in cls.known_names()]:
            raise ValueError(
                f"{', '.join(map(repr, unknown))} does not exist; there are {', '.join(cls.known_names())}"
            )
        return {**{key: default_block_name(key) for key in providers()}, **value}

    @classmethod
    def known_names(cls) -> list[str]:
        """The fields, and the keys of the providers."""
        return [*cls.model_fields, *providers()]

    @classmethod
    def for_job(cls, names: object) -> "Connections":
        """The blocks that a job names. Jobs outlive providers: names of none are set aside, see `unknown_names`."""
        if not isinstance(names, Mapping):
            return cls.model_validate(names)
        known = cls.known_names()
        connections = cls.model_validate({name: value for name, value in names.items() if name in known})
        connections._unknown = {name: value for name, value in names.items() if name not in known}
        return connections

    @property
    def unknown_names(self) -> tuple[str, ...]:
        """What `for_job` set aside: misspelt, or of a provider that is not installed here."""
        return tuple(self._unknown)

    def block_name(self, provider_key: str) -> str:
        name: str = self.__pydantic_extra__.get(provider_key, default_block_name(provider_key))
        return name

    def to_run_parameter(self) -> dict[str, Any]:
        """What a new run is given. Only names that differ from the defaults: Prefect refuses a name of a provider that
        the deployment does not know. Another account than the default is always named, also for a provider that only
        the workers have: rather no run than one that charges the wrong account."""
        return {
            name: value
            for name, value in {**self.model_dump(), **self._unknown}.items()
            if name in type(self).model_fields or value != default_block_name(name)
        }

    async def repository(self) -> JobRepository:
        """The job state."""
        block = await BLOCK_CACHE.get(JobDatabase, self.database)
        return block.repository()

    async def store(self) -> ObjectStore:
        """The bucket that holds inputs and results."""
        block = await BLOCK_CACHE.get(S3Bucket, self.storage)
        return ObjectStore(block.credentials.get_client("s3"), block.bucket_name)

    @asynccontextmanager
    async def provider_client(self, provider: Provider[Any]) -> AsyncIterator[Any]:
        """The provider's client, shared by all jobs of this event loop."""
        async with get_client_pool().client(credentials_block(provider), self.block_name(provider.key)) as client:
            yield client

    async def callback_secret(self, provider: Provider[Any], cache: BlockCache) -> SecretStr | None:
        """The secret with which the provider signs its callbacks; None if the block has none."""
        block = await cache.get(credentials_block(provider), self.block_name(provider.key))
        return block.callback_secret
