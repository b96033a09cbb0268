"""The features of a running stack, which these tests share."""

import json
import stat
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import psycopg
import pytest
from botocore.config import Config
from mypy_boto3_s3 import S3Client
from pydantic import SecretStr

from deployments.local.stack.errors import DataDirInUse
from deployments.local.stack.process_tags import data_dir_tag, tagged_processes
from deployments.local.stack.stack import Stack
from deployments.server.environment import EMPTY_ENVIRONMENT


@pytest.fixture(scope="module")
def real_credentials() -> Iterator[None]:
    """Credentials that a user may have in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNC_SO_API_KEY", "a real key")
        patch.setenv("PREFECT_API_KEY", "a real key too")
        yield


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory, real_credentials: None) -> AsyncIterator[Stack]:
    data = tmp_path_factory.mktemp("stack") / "data"
    async with Stack(
        data=data, environment=EMPTY_ENVIRONMENT, services=["job_database", "object_store"], keep_data=False
    ) as running:
        yield running


def query_number(stack: Stack, statement: str) -> int:
    with psycopg.connect(stack.variables["DATABASE_URL"]) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def connect_to_s3(stack: Stack, secret: str) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=stack.variables["S3_ENDPOINT_URL"],
        region_name=stack.variables["S3_REGION"],
        aws_access_key_id=stack.variables["S3_ACCESS_KEY_ID"],
        aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}),
    )


def test_only_requested_services_and_dependencies_run(stack: Stack) -> None:
    assert [part.name for part in stack.services] == ["postgres", "job_database", "object_store"]
    assert query_number(stack, "SELECT count(*) FROM video_jobs") == 0


def test_the_bucket_stores_and_returns_objects(stack: Stack) -> None:
    bucket = stack.variables["S3_BUCKET"]
    store = connect_to_s3(stack, stack.variables["S3_SECRET_ACCESS_KEY"])

    store.put_object(Bucket=bucket, Key="a/b.txt", Body=b"text")

    assert store.get_object(Bucket=bucket, Key="a/b.txt")["Body"].read() == b"text"


def test_the_object_store_rejects_a_wrong_key(stack: Stack) -> None:
    store = connect_to_s3(stack, "another-secret-access-key")

    with pytest.raises(store.exceptions.ClientError, match="SignatureDoesNotMatch"):
        store.list_buckets()


async def test_committed_rows_survive_kill_9_of_postgres(stack: Stack) -> None:
    with psycopg.connect(stack.variables["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")

    await stack.kill("postgres")
    with pytest.raises(psycopg.OperationalError):
        query_number(stack, "SELECT number FROM kept")
    await stack.restart("postgres")

    assert query_number(stack, "SELECT number FROM kept") == 7


async def test_an_external_database_is_migrated_and_used(stack: Stack, data: Path) -> None:
    with psycopg.connect(stack.variables["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE DATABASE given")
    url = stack.variables["DATABASE_URL"].removesuffix("/videojobs") + "/given"
    given = EMPTY_ENVIRONMENT.model_copy(update={"database_url": SecretStr(url)})

    async with Stack(data=data, environment=given, services=["job_database"]) as own:
        assert [(part.name, part.override_variable) for part in own.services] == [("job_database", "DATABASE_URL")]
        assert own.variables["DATABASE_URL"] == url
        assert query_number(own, "SELECT count(*) FROM video_jobs") == 0


async def test_a_second_stack_on_the_same_folder_is_refused(stack: Stack) -> None:
    with pytest.raises(DataDirInUse, match="already runs"):
        await Stack(data=stack.data, environment=EMPTY_ENVIRONMENT, services=["object_store"]).__aenter__()

    assert query_number(stack, "SELECT 1") == 1


def test_services_do_not_inherit_real_credentials(stack: Stack) -> None:
    store = next(process for process in tagged_processes(data_dir_tag(stack.data)) if process.name() == "rclone")

    assert not {"SYNC_SO_API_KEY", "PREFECT_API_KEY"} & store.environ().keys()


def test_no_secret_is_on_a_command_line(stack: Stack) -> None:
    words = [word for process in tagged_processes(data_dir_tag(stack.data)) for word in process.cmdline()]
    secrets = json.loads((stack.data / "remembered.json").read_text())["secrets"].values()

    assert stack.variables["S3_SECRET_ACCESS_KEY"] in secrets
    assert not [word for word in words for secret in secrets if secret in word]


def test_service_addresses_are_published_without_secrets(stack: Stack) -> None:
    file = (stack.data / "stack.json").read_text()

    assert json.loads(file)["services"]["object_store"]["address"] == stack.address_of("object_store")
    assert stack.variables["S3_SECRET_ACCESS_KEY"] not in file


def test_a_shell_can_source_the_owner_only_variables_file(stack: Stack) -> None:
    file = stack.data / "environment"

    sourced = subprocess.run(
        ["/bin/sh", "-c", f'. "{file}"; printf %s "$DATABASE_URL"'], capture_output=True, text=True, check=True
    )

    assert sourced.stdout == stack.variables["DATABASE_URL"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
