"""What a running stack offers. One for all of these tests."""

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

from deployments.environment import NOTHING_GIVEN
from deployments.local.errors import FolderInUse
from deployments.local.marking import folder_mark, marked
from deployments.local.stack import Stack


@pytest.fixture(scope="module")
def real_credentials() -> Iterator[None]:
    """What a user may have in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNC_SO_API_KEY", "a real key")
        patch.setenv("PREFECT_API_KEY", "a real key too")
        yield


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory, real_credentials: None) -> AsyncIterator[Stack]:
    data = tmp_path_factory.mktemp("stack") / "data"
    async with Stack(
        data=data, environment=NOTHING_GIVEN, wanted=["job_database", "object_store"], keep=False
    ) as running:
        yield running


def number_of(stack: Stack, statement: str) -> int:
    with psycopg.connect(stack.variables["DATABASE_URL"]) as connection:
        row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def s3(stack: Stack, secret: str) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=stack.variables["S3_ENDPOINT_URL"],
        region_name=stack.variables["S3_REGION"],
        aws_access_key_id=stack.variables["S3_ACCESS_KEY_ID"],
        aws_secret_access_key=secret,
        config=Config(s3={"addressing_style": "path"}),
    )


def test_the_wanted_parts_run_with_what_they_need_and_nothing_else(stack: Stack) -> None:
    assert [part.name for part in stack.parts] == ["postgres", "job_database", "object_store"]
    assert number_of(stack, "SELECT count(*) FROM video_jobs") == 0


def test_the_bucket_takes_and_gives_objects(stack: Stack) -> None:
    bucket = stack.variables["S3_BUCKET"]
    store = s3(stack, stack.variables["S3_SECRET_ACCESS_KEY"])

    store.put_object(Bucket=bucket, Key="a/b.txt", Body=b"text")

    assert store.get_object(Bucket=bucket, Key="a/b.txt")["Body"].read() == b"text"


def test_the_object_store_refuses_a_wrong_key(stack: Stack) -> None:
    store = s3(stack, "another-secret-access-key")

    with pytest.raises(store.exceptions.ClientError, match="SignatureDoesNotMatch"):
        store.list_buckets()


async def test_kill_9_of_postgres_and_a_restart_keep_every_committed_row(stack: Stack) -> None:
    with psycopg.connect(stack.variables["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")

    await stack.kill("postgres")
    with pytest.raises(psycopg.OperationalError):
        number_of(stack, "SELECT number FROM kept")
    await stack.restart("postgres")

    assert number_of(stack, "SELECT number FROM kept") == 7


async def test_a_given_database_is_migrated_and_used_instead_of_an_own_postgres(stack: Stack, data: Path) -> None:
    with psycopg.connect(stack.variables["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE DATABASE given")
    url = stack.variables["DATABASE_URL"].removesuffix("/videojobs") + "/given"
    given = NOTHING_GIVEN.model_copy(update={"database_url": SecretStr(url)})

    async with Stack(data=data, environment=given, wanted=["job_database"]) as own:
        assert [(part.name, part.given_by) for part in own.parts] == [("job_database", "DATABASE_URL")]
        assert own.variables["DATABASE_URL"] == url
        assert number_of(own, "SELECT count(*) FROM video_jobs") == 0


async def test_a_second_stack_on_the_same_folder_is_refused_and_the_first_runs_on(stack: Stack) -> None:
    with pytest.raises(FolderInUse, match="already runs"):
        await Stack(data=stack.data, environment=NOTHING_GIVEN, wanted=["object_store"]).__aenter__()

    assert number_of(stack, "SELECT 1") == 1


def test_parts_do_not_inherit_real_credentials(stack: Stack) -> None:
    store = next(process for process in marked(folder_mark(stack.data)) if process.name() == "rclone")

    assert not {"SYNC_SO_API_KEY", "PREFECT_API_KEY"} & store.environ().keys()


def test_no_secret_is_on_a_command_line(stack: Stack) -> None:
    words = [word for process in marked(folder_mark(stack.data)) for word in process.cmdline()]
    secrets = json.loads((stack.data / "remembered.json").read_text())["secrets"].values()

    assert stack.variables["S3_SECRET_ACCESS_KEY"] in secrets
    assert not [word for word in words for secret in secrets if secret in word]


def test_other_programs_find_the_addresses_without_secrets(stack: Stack) -> None:
    file = (stack.data / "stack.json").read_text()

    assert json.loads(file)["parts"]["object_store"]["address"] == stack.address_of("object_store")
    assert stack.variables["S3_SECRET_ACCESS_KEY"] not in file


def test_a_shell_can_source_the_variables_which_only_the_owner_can_read(stack: Stack) -> None:
    file = stack.data / "environment"

    sourced = subprocess.run(
        ["/bin/sh", "-c", f'. "{file}"; printf %s "$DATABASE_URL"'], capture_output=True, text=True, check=True
    )

    assert sourced.stdout == stack.variables["DATABASE_URL"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
