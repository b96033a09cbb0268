"""The local stack's Prefect API exposes every credential, so it requires the password for every request."""

import asyncio
import io
import json
import os
import re

import httpx
import psycopg
import pytest
import websockets
from psycopg import sql
from rich.console import Console

from deployments.local.commands.usage import print_usage
from deployments.local.stack.process_tags import data_dir_tag, tagged_processes
from tests.acceptance.conftest import StackDriver
from videojobs.states import Status

FOREIGN_ORIGIN = {"Origin": "http://127.0.0.1:9"}
BLOCKS_REQUEST = ("POST", "/block_documents/filter", {"include_secrets": True})


async def read_blocks(
    driver: StackDriver, *, login: tuple[str, str] | None, headers: dict[str, str] | None = None
) -> httpx.Response:
    """Request all blocks with their secrets."""
    method, path, body = BLOCKS_REQUEST
    async with httpx.AsyncClient(base_url=driver.stack.variables["PREFECT_API_URL"], auth=login) as http:
        return await http.request(method, path, json=body, headers=headers)


def printed_credentials(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def test_credentials_require_the_password(driver: StackDriver) -> None:
    secret = driver.stack.variables["GHOSTCUT_APP_SECRET"]
    assert secret in (await read_blocks(driver, login=driver.stack.prefect_login)).text
    for login in (None, ("local", "wrong"), ("local", "")):
        answer = await read_blocks(driver, login=login)
        assert (answer.status_code, secret in answer.text) == (401, False)


async def test_only_the_prefect_ui_origin_may_read_responses(driver: StackDriver) -> None:
    allowed = "access-control-allow-origin"
    for origin in (driver.stack.ui_url, driver.stack.ui_url.replace("127.0.0.1", "localhost")):
        answer = await read_blocks(driver, login=driver.stack.prefect_login, headers={"Origin": origin})
        assert answer.headers[allowed] == origin
    for origin in ("http://127.0.0.1:9", "https://foreign.example", "null"):
        answer = await read_blocks(driver, login=driver.stack.prefect_login, headers={"Origin": origin})
        assert allowed not in answer.headers


async def test_event_and_log_streams_require_the_password(driver: StackDriver) -> None:
    sockets = driver.stack.variables["PREFECT_API_URL"].replace("http://", "ws://")
    for stream in ("events/out", "events/in", "logs/out"):
        async with websockets.connect(
            f"{sockets}/{stream}", subprotocols=[websockets.Subprotocol("prefect")]
        ) as socket:
            await socket.send(json.dumps({"type": "auth", "token": None}))
            with pytest.raises(websockets.ConnectionClosed, match="no token provided"):
                await socket.recv()


async def test_the_password_is_not_in_logs_commands_or_the_database(driver: StackDriver) -> None:
    """Checked after a job whose run has used the password in every service."""
    await driver.wait_for_job(await driver.start_run(driver.make_small_request()))
    login = driver.stack.variables["PREFECT_API_AUTH_STRING"]
    password = login.partition(":")[2]
    words = [word for process in tagged_processes(data_dir_tag(driver.stack.data)) for word in process.cmdline()]
    logs = [file for file in (driver.stack.data / "logs").glob("*.log") if password in file.read_text(errors="replace")]
    assert len(password) >= 32
    assert [word for word in words if password in word] == []
    assert logs == []
    assert password not in (driver.stack.data / "stack.json").read_text()
    assert tables_containing(driver, password) == []


def tables_containing(driver: StackDriver, text: str) -> list[str]:
    """The tables of the Prefect server that contain the text."""
    url = driver.stack.variables["DATABASE_URL"].rpartition("/")[0] + "/prefect"
    found = []
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert len(names) > 20
        for (name,) in names:
            query = sql.SQL("SELECT 1 FROM {0} WHERE {0}::text LIKE %s LIMIT 1").format(sql.Identifier(name))
            if connection.execute(query, [f"%{text}%"]).fetchone():
                found.append(str(name))
    return found


async def test_make_up_prints_the_sign_in_and_a_start_command(driver: StackDriver) -> None:
    console = Console(file=io.StringIO(), width=100)
    await print_usage(driver.stack, console)
    printed = printed_credentials(console)
    assert f"sign in with user:password: {driver.stack.variables['PREFECT_API_AUTH_STRING']}" in printed
    [command] = re.findall(r"^\(\. .*?\)$", printed, re.DOTALL | re.MULTILINE)
    assert (driver.stack.prefect_login or ("", ""))[1] not in command, "a shell keeps what was typed"

    shell = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", command), stdout=asyncio.subprocess.PIPE, env={"PATH": os.environ["PATH"]}
    )
    answer, _ = await shell.communicate()
    run = await driver.prefect.read_flow_run(json.loads(answer)["id"])
    assert (await driver.wait_for_job(run)).status == Status.COMPLETED


async def test_the_object_store_requires_a_signature(driver: StackDriver) -> None:
    address, bucket = driver.stack.variables["S3_ENDPOINT_URL"], driver.stack.variables["S3_BUCKET"]
    await asyncio.to_thread(driver.store.put_bytes, "access/secret.txt", b"what is hidden", "text/plain")
    async with httpx.AsyncClient(base_url=address, headers=FOREIGN_ORIGIN) as http:
        for path in ("/", f"/{bucket}?list-type=2", f"/{bucket}/access/secret.txt"):
            answer = await http.get(path)
            assert answer.is_client_error
            assert "secret.txt" not in answer.text
            assert "hidden" not in answer.text
        assert (await http.put(f"/{bucket}/access/secret.txt", content=b"gone")).is_client_error
        assert (await http.delete(f"/{bucket}/access/secret.txt")).is_client_error
    assert await driver.fetch_link(driver.store.presign("access/secret.txt", 60)) == b"what is hidden"
