"""The stack as tests and the demo use it. The quick services represent all."""

import asyncio
import json
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from rich.console import Console

from deployments.local.commands.usage import print_usage
from deployments.local.stack.data_dir import DataDir
from deployments.local.stack.errors import MissingVariables, ServiceFailed, StackError
from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.process_tags import data_dir_tag, tagged_processes
from deployments.local.stack.service_graph import ALL_SERVICES, build_services
from deployments.local.stack.stack import Stack
from deployments.server.environment import EMPTY_ENVIRONMENT, Environment


def make_stack(data: Path, *wanted: str, environment: Environment = EMPTY_ENVIRONMENT, keep: bool = True) -> Stack:
    return Stack(data=data, environment=environment, services=wanted, keep_data=keep)


def connect_to_postgres(stack: Stack) -> psycopg.Connection:
    password = json.loads((stack.data / "remembered.json").read_text())["secrets"]["postgres_password"]
    url = f"postgresql://videojobs:{password}@{stack.address_of('postgres')}/videojobs"
    return psycopg.connect(url, autocommit=True)


async def test_a_restart_keeps_ports_and_rows(data: Path) -> None:
    async with make_stack(data, "postgres", "object_store") as stack:
        first = {part.name: part.address for part in stack.services}
        with connect_to_postgres(stack) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS number")

    assert tagged_processes(data_dir_tag(data)) == []

    async with make_stack(data, "postgres", "object_store") as stack:
        assert {part.name: part.address for part in stack.services} == first
        with connect_to_postgres(stack) as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(7,)]


async def test_an_external_vendor_is_used_instead_of_an_emulator(data: Path) -> None:
    given = {"sync_so_base_url": "https://vendor.example", "sync_so_api_key": SecretStr("a-key")}

    async with make_stack(data, "sync_so", environment=EMPTY_ENVIRONMENT.model_copy(update=given)) as stack:
        assert stack.override_variable("sync_so") == "SYNC_SO_BASE_URL"
        assert stack.variables["SYNC_SO_BASE_URL"] == "https://vendor.example"
        assert stack.variables["SYNC_SO_API_KEY"] == "a-key"


async def test_an_external_prefect_password_is_used_and_not_printed(data: Path) -> None:
    given = {"prefect_api_url": "https://prefect.example/api", "prefect_api_auth_string": SecretStr("ada:hush")}
    console = Console(file=StringIO(), width=200)

    async with make_stack(data, "prefect_server", environment=EMPTY_ENVIRONMENT.model_copy(update=given)) as stack:
        assert stack.variables["PREFECT_API_AUTH_STRING"] == "ada:hush"
        assert stack.prefect_login == ("ada", "hush")
        await print_usage(stack, console)

    assert isinstance(console.file, StringIO)
    assert "https://prefect.example/api" in console.file.getvalue()
    assert "hush" not in console.file.getvalue()


def test_each_folder_keeps_its_own_prefect_password(tmp_path: Path) -> None:
    def login(data: Path) -> str:
        with DataDir(data) as folder:
            launcher = ProcessFactory(folder, EMPTY_ENVIRONMENT)
            _, variables = build_services(
                EMPTY_ENVIRONMENT, folder, launcher, selected=["prefect_server"], processing_seconds=1, settings={}
            )
        return variables["PREFECT_API_AUTH_STRING"]

    first = login(tmp_path / "a")
    assert (login(tmp_path / "a"), login(tmp_path / "b") == first) == (first, False)
    assert len(first) >= len("local:") + 32


async def test_an_external_vendor_without_a_key_is_refused(data: Path) -> None:
    given = EMPTY_ENVIRONMENT.model_copy(update={"sync_so_base_url": "https://vendor.example"})

    with pytest.raises(MissingVariables, match="SYNC_SO_API_KEY must be set too"):
        await make_stack(data, "sync_so", environment=given).__aenter__()


async def test_a_failed_service_is_named_with_its_log(data: Path) -> None:
    async with make_stack(data, "postgres"):
        pass
    (data / "postgres" / "cluster" / "PG_VERSION").write_text("1\n")

    with pytest.raises(ServiceFailed) as failure:
        await make_stack(data, "postgres", "object_store").__aenter__()

    assert "postgres: exited before it was ready (exit code 1)" in str(failure.value)
    assert "database files are incompatible with server" in failure.value.log_tail
    assert tagged_processes(data_dir_tag(data)) == []


async def test_an_unknown_service_is_refused_with_all_valid_names(data: Path) -> None:
    with pytest.raises(StackError, match=r"no service 'mysql'.*postgres, job_database"):
        await make_stack(data, "mysql").__aenter__()


async def test_a_crashed_service_is_detected(data: Path) -> None:
    async with make_stack(data, "object_store") as stack:
        next(process for process in tagged_processes(data_dir_tag(data)) if process.name() == "rclone").kill()

        with pytest.raises(ServiceFailed, match="object_store: exited by itself"):
            await asyncio.wait_for(stack.raise_on_exit(), timeout=5)


async def test_temporary_data_is_deleted_everywhere(data: Path) -> None:
    async with make_stack(data, "postgres", keep=False):
        postgres = (data / "postgres").resolve()
        assert any(postgres.iterdir())

    assert not any(folder.exists() for folder in (data, postgres))


async def test_a_real_vendor_with_a_local_store_gives_a_warning(data: Path) -> None:
    given = {"sync_so_base_url": "https://vendor.example", "sync_so_api_key": SecretStr("a-key")}
    console = Console(file=StringIO(), width=200)

    async with make_stack(
        data, "sync_so", "object_store", environment=EMPTY_ENVIRONMENT.model_copy(update=given)
    ) as stack:
        await print_usage(stack, console)

    assert isinstance(console.file, StringIO)
    printed = console.file.getvalue()
    assert "SYNC_SO_BASE_URL is set, but that vendor cannot fetch files from the object store" in printed
    assert "a-key" not in printed


VENDOR_ENVIRONMENTS: dict[str, dict[str, object]] = {
    "none": {},
    "GhostCut": {
        "ghostcut_base_url": "https://vendor.example",
        "ghostcut_app_key": SecretStr("a-key"),
        "ghostcut_app_secret": SecretStr("a-secret"),
    },
    "Sync.so": {"sync_so_base_url": "https://vendor.example", "sync_so_api_key": SecretStr("a-key")},
}


async def test_a_real_vendors_submit_path_is_passed_on(data: Path) -> None:
    environment = EMPTY_ENVIRONMENT.model_copy(
        update={**VENDOR_ENVIRONMENTS["GhostCut"], "ghostcut_submit_path": "/work/fast"}
    )
    with DataDir(data) as folder:
        launcher = ProcessFactory(folder, environment)
        _, variables = build_services(
            environment, folder, launcher, selected=ALL_SERVICES, processing_seconds=1, settings={}
        )
    assert variables["GHOSTCUT_SUBMIT_PATH"] == "/work/fast"


@pytest.mark.parametrize("real", VENDOR_ENVIRONMENTS)
async def test_callbacks_need_vendors_that_reach_this_machine(data: Path, real: str) -> None:
    environment = EMPTY_ENVIRONMENT.model_copy(update=VENDOR_ENVIRONMENTS[real])

    with DataDir(data) as folder:
        launcher = ProcessFactory(folder, environment)
        _, variables = build_services(
            environment, folder, launcher, selected=ALL_SERVICES, processing_seconds=1, settings={}
        )

    assert ("VIDEOJOBS_PUBLIC_URL" in variables) is (real == "none")
    assert ("SYNC_SO_WEBHOOK_SECRET" in variables) is (real != "Sync.so"), "a real vendor's is not made up"
