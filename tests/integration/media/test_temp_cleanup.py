"""What a killed process leaves behind, and what removes it."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.media.test_object_store import MIB, is_store_empty, split_chunks
from videojobs.media.temp_dirs import remove_stale_dirs, temporary_dir
from videojobs.storage.object_store import ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HOLD_TEMP_DIR_SCRIPT = """
from videojobs.media.temp_dirs import temporary_dir
with temporary_dir() as folder:
    (folder / "input").write_bytes(b"video")
    print(folder, flush=True)
    input()
"""


@pytest.fixture
def temp_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def other_process(temp_root: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", HOLD_TEMP_DIR_SCRIPT],
        env={"TMPDIR": str(temp_root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_temporary_directory_is_removed_after_use(temp_root: Path) -> None:
    with temporary_dir() as folder:
        (folder / "input").write_bytes(b"video")
    assert list(temp_root.iterdir()) == []


def test_only_directories_of_dead_processes_are_removed(
    temp_root: Path, other_process: "subprocess.Popen[str]"
) -> None:
    assert other_process.stdout is not None
    folder = Path(other_process.stdout.readline().strip())
    remove_stale_dirs()
    assert (folder / "input").exists()
    other_process.kill()
    other_process.wait()
    with temporary_dir() as mine:
        assert [path for path in temp_root.iterdir() if path.is_dir()] == [mine]


def test_only_the_jobs_own_incomplete_uploads_are_aborted(store: ObjectStore, s3: "S3Client") -> None:
    for key in ("users/ada/jobs/one/video.mp4", "users/ada/jobs/two/video.mp4"):
        s3.create_multipart_upload(Bucket=store.bucket, Key=key)
    assert store.abort_multipart_uploads("users/ada/jobs/one/") == 1
    assert store.abort_multipart_uploads("users/ada/jobs/one/") == 0
    assert store.abort_multipart_uploads("users/ada/jobs/two/") == 1
    assert is_store_empty(store, s3)


def test_a_complete_object_is_not_removed_as_incomplete(store: ObjectStore) -> None:
    store.put_stream("users/ada/jobs/one/video.mp4", split_chunks(bytes(20 * MIB)), "video/mp4")
    assert store.abort_multipart_uploads("users/ada/jobs/one/") == 0
    assert store.head("users/ada/jobs/one/video.mp4") is not None
