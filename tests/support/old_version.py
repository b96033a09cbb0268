"""Restores the data of the previous version (`old_database/`): its database, the bucket and the vendors' records.

It uses only interfaces that outlive a version: SQL, S3, and the vendors' public API. Each submission is sent to the
vendors again exactly as before, with its idempotency key, so that they know it whatever their storage format. The ids
that they assign, fresh links to the inputs and this stack's addresses are then filled into the rows.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg

from deployments.local.services.api import ApiService
from deployments.local.services.postgres import JOBS_DATABASE, PostgresService
from deployments.local.stack.data_dir import HOST, DataDir
from deployments.local.stack.stack import Stack
from deployments.server.environment import EMPTY_ENVIRONMENT
from deployments.server.storage import object_store_from_env
from videojobs.db import migrate
from videojobs.storage.object_store import ObjectStore

DATA: Final = Path(__file__).parents[1] / "acceptance" / "old_database"
BUCKET: Final = "videojobs"  # the bucket named in its rows
TOKEN: Final = "vj_made-up-for-a-test-and-no-secret-at-all-000"  # its hash is in the old version's table of tokens
PROCESSING_SECONDS: Final = 36_000.0  # of a vendor that is still processing when all else has started
_DAY: Final = 86_400
_TIMEOUT_SECONDS: Final = 60.0
_GAP: Final = re.compile(r"<<([^<>]+)>>")

Row = dict[str, Any]
Rows = dict[str, list[Row]]
"""The rows of each table."""


async def restore(data: Path) -> tuple[Rows, Rows]:
    """A data folder with all data of the old version, migrated; gives the rows before and after the migration."""
    with DataDir(data) as data_dir:
        api = f"http://{HOST}:{data_dir.port(ApiService.name)}"  # the vendors send their callbacks there
    stack = Stack(
        data=data,
        environment=EMPTY_ENVIRONMENT,
        services=["postgres", "object_store", "sync_so", "ghostcut"],
        processing_seconds=0,
        settings={"S3_BUCKET": BUCKET},
    )
    async with stack:
        store = object_store_from_env(stack.variables)
        await asyncio.to_thread(_put_objects, store)
        gaps = {"door": api, "sync_so": stack.address_of("sync_so"), "ghostcut": stack.address_of("ghostcut")}
        gaps |= _presign_links(store)
        gaps |= await _VendorAccounts(stack).submit_all(gaps)
        [postgres] = [service for service in stack.services if isinstance(service, PostgresService)]
        return await asyncio.to_thread(_put_rows, postgres.url(JOBS_DATABASE), _fill_gaps(_read_text("jobs.sql"), gaps))


def allowed_values(column: str) -> set[str]:
    """The values that the old schema allows in a column."""
    found = re.search(rf"CHECK \(\({column} = ANY \(ARRAY\[(.*?)\]", _read_text("jobs.sql"))
    assert found is not None, column
    return set(re.findall(r"'(\w+)'::text", found[1]))


def _read_text(name: str) -> str:
    return (DATA / name).read_text()


def _fill_gaps(text: str, gaps: Mapping[str, str]) -> str:
    return _GAP.sub(lambda gap: gaps[gap[1]], text)


# ---- the bucket ----------------------------------------------------------------------------------------------


def _put_objects(store: ObjectStore) -> None:
    if BUCKET not in {bucket["Name"] for bucket in store.client.list_buckets()["Buckets"]}:
        store.client.create_bucket(Bucket=BUCKET)
    for key, stored in json.loads(_read_text("objects.json")).items():
        content = (DATA / "objects" / stored["file"]).read_bytes()
        store.client.put_object(Bucket=BUCKET, Key=key, Body=content, ContentType=stored["type"])


def _presign_links(store: ObjectStore) -> dict[str, str]:
    """A presigned link for each input of a submission. As in the original, no two links are equal."""
    names = set(_GAP.findall(_read_text("jobs.sql") + _read_text("vendors.json")))
    found = {}
    for name in names:
        if name.startswith("link "):
            _, number, key = name.split(" ", 2)
            found[name] = store.presign(key, _DAY - int(number))
    return found


# ---- the vendors ---------------------------------------------------------------------------------------------


class _VendorAccounts:
    """Both vendors through their public API, and the emulators' control endpoints for what that cannot express."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._secrets = stack.variables

    async def submit_all(self, gaps: Mapping[str, str]) -> dict[str, str]:
        """Submit all that they had accepted, and finish what had finished; gives their ids."""
        ids: dict[str, str] = {}
        entries: list[dict[str, Any]] = json.loads(_read_text("vendors.json"))
        await self._control("sync_so", "PATCH", "settings", {"concurrency_limit": len(entries)})
        for at_work in (False, True):
            for entry in entries:
                if (entry["stands"] == "at work") is at_work:
                    ids |= await self._submit(entry, _fill_gaps(json.dumps(entry["request"]), gaps))
            if not at_work:
                await self._wait_until_ended()
                for vendor in ("sync_so", "ghostcut"):
                    await self._control(vendor, "PATCH", "settings", {"processing_seconds": PROCESSING_SECONDS})
        return ids

    async def _submit(self, entry: Mapping[str, Any], body: str) -> dict[str, str]:
        vendor = entry["vendor"]
        if entry["stands"] == "failed":
            await self._control(vendor, "POST", "faults", {"kind": "ends", "status": 20})
        if vendor == "sync_so":
            ids = [(entry["id"], await self._submit_sync_so(body, entry["idempotency_key"]))]
        else:
            if not entry.get("reports", True):
                match = json.loads(body)["callback"]
                await self._control(vendor, "POST", "faults", {"kind": "callback", "effect": "drop", "match": match})
            work, project = await self._submit_ghostcut(body)
            ids = [(entry["id"], work), (entry["project"], project)]
        return {name.removeprefix("<<").removesuffix(">>"): value for name, value in ids}

    async def _submit_sync_so(self, body: str, key: str) -> str:
        headers = {
            "x-api-key": self._secrets["SYNC_SO_API_KEY"],
            "Idempotency-Key": key,
            "Content-Type": "application/json",
        }
        return str((await self._post("sync_so", "/v2/generate", body, headers))["id"])

    async def _submit_ghostcut(self, body: str) -> tuple[str, str]:
        digest = hashlib.md5(body.encode()).hexdigest()  # noqa: S324  # the vendor's signature algorithm
        signature = hashlib.md5(f"{digest}{self._secrets['GHOSTCUT_APP_SECRET']}".encode()).hexdigest()  # noqa: S324
        headers = {
            "AppKey": self._secrets["GHOSTCUT_APP_KEY"],
            "AppSign": signature,
            "Content-Type": "application/json",
        }
        answer = (await self._post("ghostcut", "/v-w-c/gateway/ve/work/free", body, headers))["body"]
        return str(answer["dataList"][0]["id"]), str(answer["idProject"])

    async def _post(self, vendor: str, path: str, body: str, headers: dict[str, str]) -> dict[str, Any]:
        async with httpx.AsyncClient(base_url=self._stack.address_of(vendor)) as http:
            answer = await http.post(path, content=body.encode(), headers=headers)
            answer.raise_for_status()
            found: dict[str, Any] = answer.json()
            return found

    async def _wait_until_ended(self) -> None:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            for vendor in ("sync_so", "ghostcut"):
                while not await self._have_all_ended(vendor):  # noqa: ASYNC110  # another process causes the change
                    await asyncio.sleep(0.2)

    async def _have_all_ended(self, vendor: str) -> bool:
        records = await self._control(vendor, "GET", "records")
        return all(entry["ended_at"] is not None for entry in records["submissions"])

    async def _control(self, vendor: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        async with httpx.AsyncClient(base_url=self._stack.address_of(vendor)) as http:
            answer = await http.request(method, f"/_emulator/{path}", json=body)
            answer.raise_for_status()
            return answer.json()


# ---- the database --------------------------------------------------------------------------------------------


def _put_rows(url: str, dump: str) -> tuple[Rows, Rows]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(dump.encode())
    before = read_rows(url)
    migrate.upgrade(url)
    return before, read_rows(url)


def read_rows(url: str) -> Rows:
    """All rows of all tables, as Postgres writes them in JSON."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        return {
            name: [row for (row,) in connection.execute(f"SELECT to_jsonb(t) FROM public.{name} t".encode())]  # noqa: S608
            for (name,) in tables.fetchall()
        }
