"""Registers everything with a Prefect server: `python -m deployments.server.register`. Idempotent: run it after every
change.

In this order: work pools, global concurrency limits, block types, blocks (from the environment), automations and
alerts, and meanwhile the deployments of prefect.yaml. Nothing that an operator added is removed.
"""

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import rich
from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, PrefectHTTPStatusError
from prefect_aws import AwsCredentials, MinIOCredentials, S3Bucket
from pydantic import SecretStr

from blocks import Connections, JobDatabase, credentials_block
from deployments.server.alert_automations import build_alert_automations
from deployments.server.api_exposure import UNAUTHORIZED_MESSAGE
from deployments.server.concurrency_limits import register_limits
from deployments.server.environment import REPOSITORY_ROOT, Environment
from deployments.server.recovery_automations import build_recovery_automations, upsert_automation
from deployments.server.storage import storage_block
from deployments.worker import CoroutineWorker
from videojobs.errors import ConfigurationError
from videojobs.providers.base import Provider
from videojobs.providers.registry import providers

DEFAULT_WORK_POOL = "video-jobs"


async def register(environment: Environment) -> list[str]:
    """Register everything; gives a line for each step."""
    names = Connections()
    lines = []
    async with get_client() as client:
        for pool in dict.fromkeys(_pool_variables().values()):
            lines.append(await _ensure_work_pool(client, pool))
        deploying = asyncio.create_task(asyncio.to_thread(_run_prefect_deploy))  # seconds, most of them imports
        lines.extend(await register_limits(client))
        for block_type in _block_types():
            await block_type.register_type_and_schema(client=client)
            lines.append(f"block type {block_type.get_block_type_slug()}")
        for name, block in _build_blocks(environment, names).items():
            lines.append(await _save_block(client, name, block))
        for automation in [*build_recovery_automations(), *await build_alert_automations(client)]:
            lines.append(await upsert_automation(client, automation))
        await deploying
    return [*lines, "deployments of prefect.yaml"]


def _block_types() -> list[type[Block]]:
    return [
        *map(credentials_block, _deployable_providers().values()),
        JobDatabase,
        S3Bucket,
        AwsCredentials,
        MinIOCredentials,
    ]


def _deployable_providers() -> dict[str, Provider[Any]]:
    """Those whose credentials block can be loaded: a broken package must not stop the deployment of the others."""
    found = {}
    for key, provider in providers().items():
        with suppress(ConfigurationError):  # the doctor reports it
            credentials_block(provider)
            found[key] = provider
    return found


def _pool_variables() -> dict[str, str]:
    """The variables of prefect.yaml that name the pools."""
    default_pool = os.environ.get("VIDEOJOBS_WORK_POOL") or DEFAULT_WORK_POOL
    lecture_pool = os.environ.get("VIDEOJOBS_LECTURE_WORK_POOL") or default_pool
    return {"VIDEOJOBS_WORK_POOL": default_pool, "VIDEOJOBS_LECTURE_WORK_POOL": lecture_pool}


async def _ensure_work_pool(client: PrefectClient, name: str) -> str:
    """Create the pool for our worker type if it is missing; an existing one belongs to the operator."""
    desired = WorkPoolCreate(
        name=name,
        type=CoroutineWorker.type,
        base_job_template=CoroutineWorker.get_default_base_job_template(),
        description="Runs the video jobs.",
    )
    try:
        pool = await client.create_work_pool(desired)
    except ObjectAlreadyExists:
        pool = await client.read_work_pool(name)
    return f"work pool {pool.name} ({pool.type})"


def _build_blocks(environment: Environment, names: Connections) -> dict[str, Block | None]:
    """The blocks by name; None where the environment lacks a value."""
    return {
        names.database: _build_block(JobDatabase, url=environment.database_url),
        names.storage: storage_block(environment),
        **{
            names.block_name(key): _build_provider_block(environment, provider)
            for key, provider in _deployable_providers().items()
        },
    }


def _build_provider_block(environment: Environment, provider: Provider[Any]) -> Block | None:
    """Each field of the block from the variable that is named after the provider and the field: `SYNC_SO_API_KEY`."""
    block_class = credentials_block(provider)
    own_fields = block_class.model_fields.keys() - Block.model_fields.keys()
    return _build_block(block_class, **environment.provider_values(provider.key, own_fields))


def _build_block(block_class: type[Block], **fields: SecretStr | str | None) -> Block | None:
    """The block, or None if a required field is missing; optional ones get their defaults."""
    values = {name: value for name, value in fields.items() if value is not None}
    required = {name for name, field in block_class.model_fields.items() if field.is_required()}
    return block_class(**values) if required <= values.keys() else None


async def _save_block(client: PrefectClient, name: str, block: Block | None) -> str:
    if block is None:
        return f"[yellow]block {name}: unchanged, its values are not in the environment[/]"
    await block.save(name, overwrite=True, client=client)
    return f"block {name}"


def _run_prefect_deploy() -> None:
    """Run `prefect deploy`, the only reader of prefect.yaml."""
    environment = {**os.environ, **_pool_variables()}
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    result = subprocess.run(  # noqa: S603  # our own interpreter, fixed words
        command, cwd=REPOSITORY_ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        sys.exit(f"prefect deploy failed:\n{result.stdout}{result.stderr}")


if __name__ == "__main__":
    try:
        for line in asyncio.run(register(Environment())):
            rich.print(f"  {line}")
    except ConfigurationError as error:
        sys.exit(str(error))
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.UNAUTHORIZED:
            raise
        sys.exit(UNAUTHORIZED_MESSAGE.format(status=401))
