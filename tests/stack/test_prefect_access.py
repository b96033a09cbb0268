"""The local stack's Prefect API hands out every credential: to who has the password, and to nobody else."""

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

from deployments.local.guide import print_guide
from deployments.local.marking import folder_mark, marked
from tests.stack.conftest import Desk
from videojobs.states import Status

FOREIGN = {"Origin": "http://127.0.0.1:9"}
BLOCKS = ("POST", "/block_documents/filter", {"include_secrets": True})


async def asked(desk: Desk, *, login: tuple[str, str] | None, headers: dict[str, str] | None = None) -> httpx.Response:
    """For all blocks with their secrets."""
    method, path, body = BLOCKS
    async with httpx.AsyncClient(base_url=desk.stack.variables["PREFECT_API_URL"], auth=login) as http:
        return await http.request(method, path, json=body, headers=headers)


def printed_by_make_up(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def test_credentials_are_read_with_the_password_only(desk: Desk) -> None:
    secret = desk.stack.variables["GHOSTCUT_APP_SECRET"]
    assert secret in (await asked(desk, login=desk.stack.prefect_login)).text
    for login in (None, ("local", "wrong"), ("local", "")):
        answer = await asked(desk, login=login)
        assert (answer.status_code, secret in answer.text) == (401, False)


async def test_only_the_uis_own_pages_may_read_what_it_answers(desk: Desk) -> None:
    allowed = "access-control-allow-origin"
    for origin in (desk.stack.ui_url, desk.stack.ui_url.replace("127.0.0.1", "localhost")):
        answer = await asked(desk, login=desk.stack.prefect_login, headers={"Origin": origin})
        assert answer.headers[allowed] == origin
    for origin in ("http://127.0.0.1:9", "https://foreign.example", "null"):
        answer = await asked(desk, login=desk.stack.prefect_login, headers={"Origin": origin})
        assert allowed not in answer.headers


async def test_events_and_logs_are_streamed_with_the_password_only(desk: Desk) -> None:
    sockets = desk.stack.variables["PREFECT_API_URL"].replace("http://", "ws://")
    for stream in ("events/out", "events/in", "logs/out"):
        async with websockets.connect(
            f"{sockets}/{stream}", subprotocols=[websockets.Subprotocol("prefect")]
        ) as socket:
            await socket.send(json.dumps({"type": "auth", "token": None}))
            with pytest.raises(websockets.ConnectionClosed, match="no token provided"):
                await socket.recv()


async def test_the_password_is_on_no_command_line_in_no_log_and_not_in_prefects_own_books(desk: Desk) -> None:
    """After a job, in whose run every part has used it."""
    await desk.done(await desk.start(desk.small()))
    login = desk.stack.variables["PREFECT_API_AUTH_STRING"]
    password = login.partition(":")[2]
    words = [word for process in marked(folder_mark(desk.stack.data)) for word in process.cmdline()]
    logs = [file for file in (desk.stack.data / "logs").glob("*.log") if password in file.read_text(errors="replace")]
    assert len(password) >= 32
    assert [word for word in words if password in word] == []
    assert logs == []
    assert password not in (desk.stack.data / "stack.json").read_text()
    assert tables_with(desk, password) == []


def tables_with(desk: Desk, text: str) -> list[str]:
    """The tables of the Prefect server in which it stands."""
    url = desk.stack.variables["DATABASE_URL"].rpartition("/")[0] + "/prefect"
    found = []
    with psycopg.connect(url) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert len(names) > 20
        for (name,) in names:
            query = sql.SQL("SELECT 1 FROM {0} WHERE {0}::text LIKE %s LIMIT 1").format(sql.Identifier(name))
            if connection.execute(query, [f"%{text}%"]).fetchone():
                found.append(str(name))
    return found


async def test_make_up_prints_how_to_sign_in_and_a_command_that_starts_a_job(desk: Desk) -> None:
    console = Console(file=io.StringIO(), width=100)
    await print_guide(desk.stack, console)
    printed = printed_by_make_up(console)
    assert f"sign in with user:password: {desk.stack.variables['PREFECT_API_AUTH_STRING']}" in printed
    [command] = re.findall(r"^\(\. .*?\)$", printed, re.DOTALL | re.MULTILINE)
    assert (desk.stack.prefect_login or ("", ""))[1] not in command, "a shell keeps what was typed"

    shell = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", command), stdout=asyncio.subprocess.PIPE, env={"PATH": os.environ["PATH"]}
    )
    answer, _ = await shell.communicate()
    run = await desk.prefect.read_flow_run(json.loads(answer)["id"])
    assert (await desk.done(run)).status == Status.COMPLETED


async def test_the_object_store_gives_nothing_to_who_has_no_signature(desk: Desk) -> None:
    address, bucket = desk.stack.variables["S3_ENDPOINT_URL"], desk.stack.variables["S3_BUCKET"]
    await asyncio.to_thread(desk.store.put_bytes, "access/secret.txt", b"what is hidden", "text/plain")
    async with httpx.AsyncClient(base_url=address, headers=FOREIGN) as http:
        for path in ("/", f"/{bucket}?list-type=2", f"/{bucket}/access/secret.txt"):
            answer = await http.get(path)
            assert answer.is_client_error
            assert "secret.txt" not in answer.text
            assert "hidden" not in answer.text
        assert (await http.put(f"/{bucket}/access/secret.txt", content=b"gone")).is_client_error
        assert (await http.delete(f"/{bucket}/access/secret.txt")).is_client_error
    assert await desk.download(desk.store.presign("access/secret.txt", 60)) == b"what is hidden"
