"""A real object store and a real web server, each for the whole session, on free local ports."""

import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from tests.support.website import Website, run_website
from videojobs.storage.object_store import ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

START_TIMEOUT_SECONDS = 10  # rclone needs 0.05 s; a busy machine more


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_accepting_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def s3_client(port: int, key: str, secret: str) -> "S3Client":
    """Configured as blocks do for a self-hosted store: signed, path style, one quick attempt."""
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=2,
        read_timeout=10,
        retries={"total_max_attempts": 1},
    )
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=config,
    )


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[S3Client]":
    """A client of an empty `rclone serve s3`."""
    port, key, secret = free_port(), secrets.token_hex(10), secrets.token_hex(20)
    access = ["--auth-key", f"{key},{secret}", "--addr", f"127.0.0.1:{port}"]
    rclone, folder = Path(sys.executable).with_name("rclone"), tmp_path_factory.mktemp("objects")
    server = subprocess.Popen([rclone, "serve", "s3", "--config", "", *access, folder], stderr=subprocess.DEVNULL)
    try:
        deadline = monotonic() + START_TIMEOUT_SECONDS
        while not is_accepting_connections(port):
            assert server.poll() is None, "rclone did not start"
            assert monotonic() < deadline, "rclone does not answer"
            sleep(0.01)
        yield s3_client(port, key, secret)
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def store(s3: "S3Client") -> ObjectStore:
    """An empty bucket for one test."""
    bucket = f"test-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=bucket)
    return ObjectStore(s3, bucket)


@pytest.fixture(scope="session")
def website() -> Iterator[Website]:
    with run_website() as running:
        yield running
