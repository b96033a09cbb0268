"""`python -m deployments.doctor`: checks a configuration and says in plain words what is missing. Spends nothing.

Each check is a function that returns what it found (a Caution, if that is something to think about), or raises Trouble
with what to do about it.
"""

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import httpx
from prefect import __version__ as prefect_version
from prefect.blocks.core import Block
from prefect.client.base import ServerType
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL
from prefect_aws import S3Bucket
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from blocks import Connections, GhostCutCredentials, JobDatabase, SyncSoCredentials, load
from deployments.api_exposure import NOT_LET_IN, exposure, travels_in_clear
from deployments.limits import VendorSlots
from tasks.run_again import DEPLOYMENTS
from videojobs.errors import ConfigurationError, VideoJobError
from videojobs.lecture.fonts import fonts
from videojobs.lecture.options import SpeechOptions
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.speech import engine_for as engine_of
from videojobs.ledger import engine_for
from videojobs.ledger.migrate import missing
from videojobs.media.store import ObjectStore
from videojobs.settings import Access

AnyBlock = TypeVar("AnyBlock", bound=Block)


class Trouble(Exception):
    """What is wrong, and what to do."""


class Caution(str):
    """What works, and what to think about."""

    __slots__ = ()


async def server(names: Connections) -> str:
    """The Prefect server answers, in a version that this code was tried with."""
    address = PREFECT_API_URL.value()
    if not address:
        raise Trouble("PREFECT_API_URL is not set: name the server, for example http://127.0.0.1:4200/api")
    try:
        async with get_client() as client:
            if client.server_type == ServerType.CLOUD:
                await client.read_work_pools(limit=1)
                return f"Prefect Cloud at {address}"  # it goes with every version of the client
            version = await client.api_version()
    except PrefectHTTPStatusError as error:
        raise Trouble(_refusal(error)) from error
    except (httpx.HTTPError, RuntimeError) as error:
        raise Trouble(
            f"no Prefect server answers at {address} ({type(error).__name__}): start it, or mend the URL"
        ) from error
    if version.split(".")[:2] != prefect_version.split(".")[:2]:
        raise Trouble(
            f"the server runs Prefect {version}, this code {prefect_version}: bring both to the same minor version"
        )
    return f"Prefect {version} at {address}"


def _refusal(error: PrefectHTTPStatusError) -> str:
    status = error.response.status_code
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return NOT_LET_IN.format(status=status)
    return f"{error.request.url} answers {status}: mend PREFECT_API_URL, or look into the server's log"


async def access(names: Connections) -> str:
    """The Prefect API, which hands out every credential, does so to nobody else."""
    async with get_client() as client:
        address, is_cloud = str(client.api_url).rstrip("/"), client.server_type == ServerType.CLOUD
    if is_cloud:
        return "Prefect Cloud lets nobody in without a key"
    try:
        problems = await exposure(address)
    except httpx.HTTPError as error:
        raise Trouble(f"{address} does not answer a request without a password ({type(error).__name__})") from error
    if problems:
        raise Trouble("; ".join(problems))
    if travels_in_clear(address):
        return Caution("only with the password, which travels in clear text to this http:// address: put TLS before it")
    return "only with the password, and no other site's pages"


async def database(names: Connections) -> str:
    """Postgres is reachable and migrated."""
    block = await _block(JobDatabase, names.database)
    try:
        async with engine_for(block.url.get_secret_value()).connect() as connection:
            version = (await connection.execute(text("SHOW server_version"))).scalar_one()
            behind = await connection.run_sync(missing)
    except DBAPIError as error:
        raise Trouble(
            f"Postgres does not let us in ({str(error.orig).strip().splitlines()[0]}): mend DATABASE_URL"
        ) from error
    if behind:
        raise Trouble("the job database is behind this code: run `make migrate`")
    return f"PostgreSQL {version}, migrated"


async def storage(names: Connections) -> str:
    """The bucket takes an object, and a presigned link gives it back without credentials."""
    block = await _block(S3Bucket, names.storage)
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
        raise Trouble(f"the bucket {block.bucket_name} cannot be used: {error}") from error
    if answer.content != content:
        raise Trouble(
            f"a presigned link of bucket {block.bucket_name} answers {answer.status_code}: vendors could not read it"
        )
    return f"bucket {block.bucket_name}: writable, presigned links work"


async def sync_so(names: Connections) -> str:
    """The Sync.so key is taken (by a list call, which costs nothing)."""
    block = await _block(SyncSoCredentials, names.sync_so)
    try:
        async with block.client() as client:
            await client.check()
    except VideoJobError as error:
        raise Trouble(str(error)) from error
    if Access().public_url is not None and block.webhook_secret is None:
        raise Trouble(
            "Sync.so is told to call back, and nothing can prove that it is Sync.so who does: "
            "set SYNC_SO_WEBHOOK_SECRET, then `make register`"
        )
    return f"the key is taken by {block.base_url}; callbacks {'can' if block.webhook_secret else 'cannot'} be checked"


async def ghostcut(names: Connections) -> str:
    """The GhostCut key and secret are taken (by a points query, which costs nothing)."""
    block = await _block(GhostCutCredentials, names.ghostcut)
    try:
        async with block.client() as client:
            points = await client.points()
    except VideoJobError as error:
        raise Trouble(str(error)) from error
    if points <= 0:
        raise Trouble("the GhostCut account has no points left: top it up")
    return f"the key is taken by {block.base_url}; {points} points left"


async def lectures(names: Connections) -> str:
    """Speech can be recognised, and the fonts are there, on the machine where this is asked."""
    settings = LectureSettings()
    engine = engine_of(SpeechOptions(), settings)
    try:
        engine.check(None)
        await asyncio.to_thread(fonts, settings.fonts)
    except ConfigurationError as error:
        raise Trouble(str(error)) from error
    return f"speech is recognised by {engine.name}"


async def deployment(names: Connections) -> str:
    """The deployments, their pools and the concurrency limits are on the server, and workers are there to run them."""
    return "; ".join([await _deployment(name) for name in DEPLOYMENTS.values()])


async def _deployment(wanted: str) -> str:
    async with get_client() as client:
        try:
            found = await client.read_deployment_by_name(wanted)
            pool = await client.read_work_pool(str(found.work_pool_name))
            for name in VendorSlots().by_name():
                await client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound as error:
            raise Trouble(
                f"the deployment {wanted}, its work pool or a concurrency limit is missing: run `make register`"
            ) from error
        workers = await client.read_workers_for_work_pool(pool.name)
    if not any(worker.status == "ONLINE" for worker in workers):
        raise Trouble(
            f"no worker is online in pool {pool.name}: start one with `prefect worker start --pool {pool.name}`"
        )
    return f"{wanted} in pool {pool.name}, a worker is online"


async def _block(kind: type[AnyBlock], name: str) -> AnyBlock:
    try:
        return await load(kind, name)
    except ConfigurationError as error:
        raise Trouble(str(error)) from error


CHECKS: Final[dict[str, Callable[[Connections], Awaitable[str]]]] = {
    "Prefect server": server,
    "Who is let in": access,
    "Job database": database,
    "Storage": storage,
    "Sync.so": sync_so,
    "GhostCut": ghostcut,
    "Lectures": lectures,
    "Deployment": deployment,
}


async def examine(names: Connections) -> dict[str, str | Trouble]:
    """Every check with what it found on these blocks. Without a server nothing else can be looked up."""
    findings: dict[str, str | Trouble] = {}
    for name, check in CHECKS.items():
        try:
            findings[name] = await check(names)
        except Trouble as trouble:
            findings[name] = trouble
            if check is server:
                break
    return findings


def _mark(finding: str | Trouble) -> str:
    if isinstance(finding, Trouble):
        return "[red]✗[/]"
    return "[yellow]![/]" if isinstance(finding, Caution) else "[green]✓[/]"


def main() -> int:
    """Print the findings; 1 if anything is missing."""
    findings = asyncio.run(examine(Connections()))
    table = Table("", "Part", "Finding", title="Doctor")
    for name, finding in findings.items():
        table.add_row(_mark(finding), name, str(finding))
    Console().print(table)
    return int(any(isinstance(finding, Trouble) for finding in findings.values()))


if __name__ == "__main__":
    sys.exit(main())
