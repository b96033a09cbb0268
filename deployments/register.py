"""Brings a Prefect server to the wanted state: `python -m deployments.register`. Idempotent: run it after every change.

In this order: the work pool, the global concurrency limits, the block types, the blocks (from the environment), the
automations and alerts, and the deployments of prefect.yaml. Nothing that an operator added is removed.
"""

import asyncio
import os
import subprocess
import sys
from http import HTTPStatus

import rich
from prefect.blocks.core import Block
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, PrefectHTTPStatusError
from prefect_aws import AwsCredentials, MinIOCredentials, S3Bucket
from pydantic import SecretStr

from blocks import Connections, GhostCutCredentials, JobDatabase, SyncSoCredentials
from deployments.alerts import alerts
from deployments.api_exposure import NOT_LET_IN
from deployments.automations import automations, upsert
from deployments.environment import REPOSITORY, Environment
from deployments.limits import register_limits
from deployments.storage import storage_block
from deployments.worker import CoroutineWorker
from videojobs.errors import ConfigurationError

WORK_POOL = "video-jobs"
BLOCK_TYPES = (SyncSoCredentials, GhostCutCredentials, JobDatabase, S3Bucket, AwsCredentials, MinIOCredentials)


async def register(environment: Environment) -> list[str]:
    """Apply everything; gives a line for each thing done."""
    names = Connections()
    lines = []
    async with get_client() as client:
        for pool in dict.fromkeys(_pools().values()):
            lines.append(await _work_pool(client, pool))
        deploying = asyncio.create_task(asyncio.to_thread(_deploy))  # seconds, most of them imports
        lines.extend(await register_limits(client))
        for block_type in BLOCK_TYPES:
            await block_type.register_type_and_schema(client=client)
            lines.append(f"block type {block_type.get_block_type_slug()}")
        for name, block in _blocks(environment, names).items():
            lines.append(await _save(client, name, block))
        for automation in [*automations(), *await alerts(client)]:
            lines.append(await upsert(client, automation))
        await deploying
    return [*lines, "deployments of prefect.yaml"]


def _pools() -> dict[str, str]:
    """The variables of prefect.yaml that name the pools."""
    usual = os.environ.get("VIDEOJOBS_WORK_POOL") or WORK_POOL
    lectures = os.environ.get("VIDEOJOBS_LECTURE_WORK_POOL") or usual
    return {"VIDEOJOBS_WORK_POOL": usual, "VIDEOJOBS_LECTURE_WORK_POOL": lectures}


async def _work_pool(client: PrefectClient, name: str) -> str:
    """The pool, made for our own worker if it is not there; an existing one is an operator's and stays as it is."""
    wanted = WorkPoolCreate(
        name=name,
        type=CoroutineWorker.type,
        base_job_template=CoroutineWorker.get_default_base_job_template(),
        description="Runs the video jobs.",
    )
    try:
        pool = await client.create_work_pool(wanted)
    except ObjectAlreadyExists:
        pool = await client.read_work_pool(name)
    return f"work pool {pool.name} ({pool.type})"


def _blocks(environment: Environment, names: Connections) -> dict[str, Block | None]:
    """The blocks that the environment has the values for; None for each that it has not."""
    return {
        names.database: _given(JobDatabase, url=environment.database_url),
        names.storage: storage_block(environment),
        names.sync_so: _given(
            SyncSoCredentials,
            api_key=environment.sync_so_api_key,
            base_url=environment.sync_so_base_url,
            webhook_secret=environment.sync_so_webhook_secret,
        ),
        names.ghostcut: _given(
            GhostCutCredentials,
            app_key=environment.ghostcut_app_key,
            app_secret=environment.ghostcut_app_secret,
            base_url=environment.ghostcut_base_url,
        ),
    }


def _given(block: type[Block], **fields: SecretStr | str | None) -> Block | None:
    """The block, or None while a field without a default is missing; an absent optional field takes its default."""
    given = {name: value for name, value in fields.items() if value is not None}
    required = {name for name, field in block.model_fields.items() if field.is_required()}
    return block(**given) if required <= given.keys() else None


async def _save(client: PrefectClient, name: str, block: Block | None) -> str:
    if block is None:
        return f"[yellow]block {name}: left alone, its values are not in the environment[/]"
    await block.save(name, overwrite=True, client=client)
    return f"block {name}"


def _deploy() -> None:
    """`prefect deploy` is the one reader of prefect.yaml."""
    environment = {**os.environ, **_pools()}
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(  # noqa: S603  # our own interpreter, fixed words
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"prefect deploy failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    try:
        for line in asyncio.run(register(Environment())):
            rich.print(f"  {line}")
    except ConfigurationError as error:
        sys.exit(str(error))
    except PrefectHTTPStatusError as error:
        if error.response.status_code != HTTPStatus.UNAUTHORIZED:
            raise
        sys.exit(NOT_LET_IN.format(status=401))
