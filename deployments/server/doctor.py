"""`python -m deployments.server.doctor`: checks a configuration and says what is missing. Costs nothing.

Each check is a function that returns what it found (a CheckWarning, if the operator should consider it), or raises
CheckFailed with what to do.
"""

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import httpx
from prefect import __version__ as prefect_version
from prefect.blocks.core import Block
from prefect.client.base import ServerType
from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL
from prefect_aws import S3Bucket
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from blocks import Connections, JobDatabase, callback_secret_variable, credentials_block, load_block
from deployments.server.api_exposure import UNAUTHORIZED_MESSAGE, find_exposures, sends_cleartext_credentials
from deployments.server.concurrency_limits import concurrency_limits
from tasks.runtime.deployment_names import DEPLOYMENTS
from videojobs.db import get_engine
from videojobs.db.migrate import is_behind
from videojobs.errors import ConfigurationError, VideoJobError
from videojobs.lecture.fonts import load_fonts
from videojobs.lecture.options import SpeechOptions
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.speech import select_engine
from videojobs.providers.base import Provider
from videojobs.providers.registry import active_providers, display_name, load_registry, selection_problems
from videojobs.settings import AccessSettings
from videojobs.storage.object_store import ObjectStore

BlockT = TypeVar("BlockT", bound=Block)


class CheckFailed(Exception):
    """A problem, with what to do."""


class CheckWarning(str):
    """Works, but the operator should consider it."""

    __slots__ = ()


async def check_prefect_server(names: Connections) -> str:
    """The Prefect server responds, and its version is the one of this code."""
    address = PREFECT_API_URL.value()
    if not address:
        raise CheckFailed("PREFECT_API_URL is not set: name the server, for example http://127.0.0.1:4200/api")
    try:
        async with get_client() as client:
            if client.server_type == ServerType.CLOUD:
                await client.read_work_pools(limit=1)
                return f"Prefect Cloud at {address}"  # compatible with every client version
            version = await client.api_version()
    except PrefectHTTPStatusError as error:
        raise CheckFailed(_http_error_message(error)) from error
    except (httpx.HTTPError, RuntimeError) as error:
        raise CheckFailed(
            f"no Prefect server responds at {address} ({type(error).__name__}): start it, or correct PREFECT_API_URL"
        ) from error
    if version.split(".")[:2] != prefect_version.split(".")[:2]:
        raise CheckFailed(
            f"the server runs Prefect {version}, this code {prefect_version}: bring both to the same minor version"
        )
    return f"Prefect {version} at {address}"


def _http_error_message(error: PrefectHTTPStatusError) -> str:
    status = error.response.status_code
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return UNAUTHORIZED_MESSAGE.format(status=status)
    return f"{error.request.url} returns {status}: correct PREFECT_API_URL, or read the server's log"


async def check_api_access(names: Connections) -> str:
    """The Prefect API, which returns every credential, needs a password and allows no other site."""
    async with get_client() as client:
        address, is_cloud = str(client.api_url).rstrip("/"), client.server_type == ServerType.CLOUD
    if is_cloud:
        return "Prefect Cloud always requires a key"
    try:
        problems = await find_exposures(address)
    except httpx.HTTPError as error:
        raise CheckFailed(
            f"{address} does not respond to a request without a password ({type(error).__name__})"
        ) from error
    if problems:
        raise CheckFailed("; ".join(problems))
    if sends_cleartext_credentials(address):
        return CheckWarning("requires the password, but sends it unencrypted to this http:// address: use TLS")
    return "requires the password, and allows no other site's pages"


async def check_database(names: Connections) -> str:
    """Postgres is reachable and migrated."""
    block = await _load_block(JobDatabase, names.database)
    try:
        async with get_engine(block.url.get_secret_value()).connect() as connection:
            version = (await connection.execute(text("SHOW server_version"))).scalar_one()
            is_outdated = await connection.run_sync(is_behind)
    except DBAPIError as error:
        raise CheckFailed(
            f"cannot connect to Postgres ({str(error.orig).strip().splitlines()[0]}): check DATABASE_URL"
        ) from error
    if is_outdated:
        raise CheckFailed("the schema of the job database is older than this code: run `make migrate`")
    return f"PostgreSQL {version}, migrated"


async def check_storage(names: Connections) -> str:
    """The bucket stores an object, and a presigned URL reads it without credentials."""
    block = await _load_block(S3Bucket, names.storage)
    store = ObjectStore(block.credentials.get_client("s3"), block.bucket_name)
    key, content = "doctor/probe.txt", secrets.token_bytes(16)
    try:
        await asyncio.to_thread(store.put_bytes, key, content, "text/plain")
        try:
            async with httpx.AsyncClient() as http:
                answer = await http.get(store.presign(key, 60))
        finally:
            await asyncio.to_thread(store.delete, [key])
    except (VideoJobError, httpx.HTTPError) as error:
        raise CheckFailed(f"cannot use the bucket {block.bucket_name}: {error}") from error
    if answer.content != content:
        raise CheckFailed(
            f"a presigned URL of bucket {block.bucket_name} returns {answer.status_code}: vendors could not read it"
        )
    return f"bucket {block.bucket_name}: writable, presigned URLs work"


async def check_providers(names: Connections) -> str:
    """Every vendor package can be used, a vendor serves each stage, and none is missing that a job waits for."""
    problems = [*load_registry().problems.values(), *selection_problems(), *await _find_missing_providers(names)]
    if problems:
        raise CheckFailed("; ".join(dict.fromkeys(problems)))
    serving = ", ".join(f"{display_name(provider.key)} for {provider.stage.value}" for provider in active_providers())
    return serving.replace("_", " ")


async def _find_missing_providers(names: Connections) -> list[str]:
    """Providers of unfinished paid calls that are not installed. Nothing if the job database cannot be read."""
    try:
        block = await load_block(JobDatabase, names.database)
        counts = await block.repository().count_open_submissions()
    except (VideoJobError, DBAPIError):  # another check reports it
        return []
    return [
        f"{count} unfinished paid calls are with the provider {key!r}, which is not installed: install its package"
        for key, count in counts.items()
        if key not in load_registry().providers
    ]


async def check_provider(provider: Provider[Any], names: Connections) -> str:
    """The vendor accepts the account, and its callbacks can be verified. Costs nothing."""
    try:
        block_class = credentials_block(provider)
    except ConfigurationError as error:
        raise CheckFailed(str(error)) from error
    block = await _load_block(block_class, names.block_name(provider.key))
    try:
        async with block.client() as client:
            detail = await provider.check_account(client)
    except VideoJobError as error:
        raise CheckFailed(str(error)) from error
    if AccessSettings.current().public_url is not None and block.callback_secret is None:
        raise CheckFailed(
            f"callbacks of {provider.display_name} are requested, but their signatures cannot be verified: "
            f"set {callback_secret_variable(provider)}, then `make deploy`"
        )
    callbacks = f"callbacks {'can' if block.callback_secret else 'cannot'} be verified"
    return "; ".join(filter(None, (f"{block.base_url} accepts the key", detail, callbacks)))


async def check_lectures(names: Connections) -> str:
    """Speech recognition and fonts are available, on the machine where the doctor runs."""
    settings = LectureSettings.current()
    engine = select_engine(SpeechOptions(), settings)
    try:
        engine.check_available(None)
        await asyncio.to_thread(load_fonts, settings.fonts)
    except ConfigurationError as error:
        raise CheckFailed(str(error)) from error
    return f"speech recognition by {engine.name}"


async def check_deployments(names: Connections) -> str:
    """All deployments, their work pools and the concurrency limits exist, and each pool has a worker."""
    deployments_by_pool: dict[str, list[str]] = {}
    async with get_client() as client:
        for name in DEPLOYMENTS:
            with _registered(f"the deployment {name} or its work pool"):
                pool_name = str((await client.read_deployment_by_name(name)).work_pool_name)
                await client.read_work_pool(pool_name)
            deployments_by_pool.setdefault(pool_name, []).append(name)
        for limit_name in concurrency_limits():
            with _registered(f"the concurrency limit {limit_name}"):
                await client.read_global_concurrency_limit_by_name(limit_name)
        for pool_name in deployments_by_pool:
            await _require_worker(client, pool_name)
    found = (f"{', '.join(deployed)} in pool {pool}" for pool, deployed in deployments_by_pool.items())
    return f"{'; '.join(found)}: a worker is online"


@contextmanager
def _registered(what: str) -> Iterator[None]:
    try:
        yield
    except ObjectNotFound as error:
        raise CheckFailed(f"{what} is missing: run `make deploy`") from error


async def _require_worker(client: PrefectClient, pool_name: str) -> None:
    workers = await client.read_workers_for_work_pool(pool_name)
    if not any(worker.status == "ONLINE" for worker in workers):
        raise CheckFailed(
            f"no worker is online in pool {pool_name}: start one with `prefect worker start --pool {pool_name}`"
        )


async def _load_block(block_class: type[BlockT], name: str) -> BlockT:
    try:
        return await load_block(block_class, name)
    except ConfigurationError as error:
        raise CheckFailed(str(error)) from error


Check = Callable[[Connections], Awaitable[str]]


def list_checks() -> dict[str, Check]:
    """By name, in the order of the report. Of a provider that serves no stage, the account is not checked."""
    return {
        "Prefect server": check_prefect_server,
        "API access": check_api_access,
        "Job database": check_database,
        "Storage": check_storage,
        "Providers": check_providers,
        **{display_name(provider.key): partial(check_provider, provider) for provider in active_providers()},
        "Lectures": check_lectures,
        "Deployment": check_deployments,
    }


async def run_checks(names: Connections) -> dict[str, str | CheckFailed]:
    """Every check with its finding. Stops after a failed check of the server, which holds all blocks."""
    findings: dict[str, str | CheckFailed] = {}
    for name, check in list_checks().items():
        try:
            findings[name] = await check(names)
        except CheckFailed as failure:
            findings[name] = failure
            if check is check_prefect_server:
                break
    return findings


def _status_mark(finding: str | CheckFailed) -> str:
    if isinstance(finding, CheckFailed):
        return "[red]✗[/]"
    return "[yellow]![/]" if isinstance(finding, CheckWarning) else "[green]✓[/]"


def main() -> int:
    """Print the findings; 1 if a check failed."""
    findings = asyncio.run(run_checks(Connections()))
    table = Table("", "Check", "Finding", title="Doctor")
    for name, finding in findings.items():
        table.add_row(_status_mark(finding), name, str(finding))
    Console().print(table)
    return int(any(isinstance(finding, CheckFailed) for finding in findings.values()))


if __name__ == "__main__":
    sys.exit(main())
