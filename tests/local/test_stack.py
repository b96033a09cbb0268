"""The stack as tests and the demo use it. The quick parts stand for all."""

import asyncio
import json
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from rich.console import Console

from deployments.environment import NOTHING_GIVEN, Environment
from deployments.local.assembly import EVERYTHING, assemble
from deployments.local.errors import MissingVariables, PartFailed, StackError
from deployments.local.folder import Folder
from deployments.local.guide import print_guide
from deployments.local.launcher import Launcher
from deployments.local.marking import folder_mark, marked
from deployments.local.stack import Stack


def a_stack(data: Path, *wanted: str, environment: Environment = NOTHING_GIVEN, keep: bool = True) -> Stack:
    return Stack(data=data, environment=environment, wanted=wanted, keep=keep)


def connection_to_postgres(stack: Stack) -> psycopg.Connection:
    password = json.loads((stack.data / "remembered.json").read_text())["secrets"]["postgres_password"]
    url = f"postgresql://videojobs:{password}@{stack.address_of('postgres')}/videojobs"
    return psycopg.connect(url, autocommit=True)


async def test_the_next_start_finds_the_same_ports_and_rows(data: Path) -> None:
    async with a_stack(data, "postgres", "object_store") as stack:
        first = {part.name: part.address for part in stack.parts}
        with connection_to_postgres(stack) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")

    assert marked(folder_mark(data)) == []

    async with a_stack(data, "postgres", "object_store") as stack:
        assert {part.name: part.address for part in stack.parts} == first
        with connection_to_postgres(stack) as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(7,)]


async def test_a_given_vendor_is_used_with_its_key_and_not_started(data: Path) -> None:
    given = {"sync_so_base_url": "https://vendor.example", "sync_so_api_key": SecretStr("a-key")}

    async with a_stack(data, "sync_so", environment=NOTHING_GIVEN.model_copy(update=given)) as stack:
        assert stack.given_by("sync_so") == "SYNC_SO_BASE_URL"
        assert stack.variables["SYNC_SO_BASE_URL"] == "https://vendor.example"
        assert stack.variables["SYNC_SO_API_KEY"] == "a-key"


async def test_a_given_prefect_server_is_used_with_its_password_which_is_not_printed(data: Path) -> None:
    given = {"prefect_api_url": "https://prefect.example/api", "prefect_api_auth_string": SecretStr("ada:hush")}
    console = Console(file=StringIO(), width=200)

    async with a_stack(data, "prefect_server", environment=NOTHING_GIVEN.model_copy(update=given)) as stack:
        assert stack.variables["PREFECT_API_AUTH_STRING"] == "ada:hush"
        assert stack.prefect_login == ("ada", "hush")
        await print_guide(stack, console)

    assert isinstance(console.file, StringIO)
    assert "https://prefect.example/api" in console.file.getvalue()
    assert "hush" not in console.file.getvalue()


def test_each_folder_has_a_prefect_password_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    def login(data: Path) -> str:
        with Folder(data) as folder:
            launcher = Launcher(folder, NOTHING_GIVEN)
            _, variables = assemble(
                NOTHING_GIVEN, folder, launcher, wanted=["prefect_server"], processing_seconds=1, settings={}
            )
        return variables["PREFECT_API_AUTH_STRING"]

    first = login(tmp_path / "a")
    assert (login(tmp_path / "a"), login(tmp_path / "b") == first) == (first, False)
    assert len(first) >= len("local:") + 32


async def test_a_given_vendor_without_its_key_is_refused_before_anything_starts(data: Path) -> None:
    given = NOTHING_GIVEN.model_copy(update={"sync_so_base_url": "https://vendor.example"})

    with pytest.raises(MissingVariables, match="SYNC_SO_API_KEY must be set too"):
        await a_stack(data, "sync_so", environment=given).__aenter__()


async def test_a_part_that_cannot_start_is_named_with_the_end_of_its_log_and_the_others_stop(data: Path) -> None:
    async with a_stack(data, "postgres"):
        pass
    (data / "postgres" / "cluster" / "PG_VERSION").write_text("1\n")

    with pytest.raises(PartFailed) as failure:
        await a_stack(data, "postgres", "object_store").__aenter__()

    assert "postgres: ended at once (exit code 1)" in str(failure.value)
    assert "database files are incompatible with server" in failure.value.last_lines
    assert marked(folder_mark(data)) == []


async def test_an_unknown_part_is_refused_with_the_names_of_all(data: Path) -> None:
    with pytest.raises(StackError, match=r"no part 'mysql'.*postgres, job_database"):
        await a_stack(data, "mysql").__aenter__()


async def test_a_part_that_dies_is_seen_by_the_one_who_watches(data: Path) -> None:
    async with a_stack(data, "object_store") as stack:
        next(process for process in marked(folder_mark(data)) if process.name() == "rclone").kill()

        with pytest.raises(PartFailed, match="object_store: ended by itself"):
            await asyncio.wait_for(stack.watch(), timeout=5)


async def test_data_that_is_not_to_be_kept_is_gone_everywhere(data: Path) -> None:
    async with a_stack(data, "postgres", keep=False):
        postgres = (data / "postgres").resolve()
        assert any(postgres.iterdir())

    assert not any(folder.exists() for folder in (data, postgres))


async def test_a_real_vendor_with_a_store_that_it_cannot_reach_is_warned_about(data: Path) -> None:
    given = {"sync_so_base_url": "https://vendor.example", "sync_so_api_key": SecretStr("a-key")}
    console = Console(file=StringIO(), width=200)

    async with a_stack(data, "sync_so", "object_store", environment=NOTHING_GIVEN.model_copy(update=given)) as stack:
        await print_guide(stack, console)

    assert isinstance(console.file, StringIO)
    printed = console.file.getvalue()
    assert "SYNC_SO_BASE_URL is set, but that vendor cannot fetch files from the object store" in printed
    assert "a-key" not in printed


REAL_VENDORS: dict[str, dict[str, object]] = {
    "none": {},
    "GhostCut": {
        "ghostcut_base_url": "https://vendor.example",
        "ghostcut_app_key": SecretStr("a-key"),
        "ghostcut_app_secret": SecretStr("a-secret"),
    },
    "Sync.so": {"sync_so_base_url": "https://vendor.example", "sync_so_api_key": SecretStr("a-key")},
}


@pytest.mark.parametrize("real", REAL_VENDORS)
async def test_vendors_are_given_the_front_doors_address_only_if_all_of_them_can_reach_this_machine(
    data: Path, real: str
) -> None:
    environment = NOTHING_GIVEN.model_copy(update=REAL_VENDORS[real])

    with Folder(data) as folder:
        launcher = Launcher(folder, environment)
        _, variables = assemble(environment, folder, launcher, wanted=EVERYTHING, processing_seconds=1, settings={})

    assert ("VIDEOJOBS_PUBLIC_URL" in variables) is (real == "none")
    assert ("SYNC_SO_WEBHOOK_SECRET" in variables) is (real != "Sync.so"), "a real vendor's is not made up"
