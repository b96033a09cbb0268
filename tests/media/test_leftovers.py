"""What a process that is killed leaves behind, and who removes it."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.media.test_store import MIB, chunks, nothing_is_left
from videojobs.media.scratch import remove_abandoned, scratch_folder
from videojobs.media.store import ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HOLDS_A_FOLDER = """
from videojobs.media.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "input").write_bytes(b"video")
    print(folder, flush=True)
    input()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def other_process(temporary: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", HOLDS_A_FOLDER],
        env={"TMPDIR": str(temporary)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_working_folder_is_gone_after_use(temporary: Path) -> None:
    with scratch_folder() as folder:
        (folder / "input").write_bytes(b"video")
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_killed_process_is_removed_and_that_of_a_living_one_is_not(
    temporary: Path, other_process: "subprocess.Popen[str]"
) -> None:
    assert other_process.stdout is not None
    folder = Path(other_process.stdout.readline().strip())
    remove_abandoned()
    assert (folder / "input").exists()
    other_process.kill()
    other_process.wait()
    with scratch_folder() as mine:
        assert [path for path in temporary.iterdir() if path.is_dir()] == [mine]


def test_half_sent_objects_of_a_killed_process_are_dropped_and_those_of_other_jobs_stay(
    store: ObjectStore, s3: "S3Client"
) -> None:
    for key in ("users/ada/jobs/one/video.mp4", "users/ada/jobs/two/video.mp4"):
        s3.create_multipart_upload(Bucket=store.bucket, Key=key)
    assert store.abort_unfinished("users/ada/jobs/one/") == 1
    assert store.abort_unfinished("users/ada/jobs/one/") == 0
    assert store.abort_unfinished("users/ada/jobs/two/") == 1
    assert nothing_is_left(store, s3)


def test_a_finished_object_is_not_taken_for_a_half_sent_one(store: ObjectStore) -> None:
    store.put_stream("users/ada/jobs/one/video.mp4", chunks(bytes(20 * MIB)), "video/mp4")
    assert store.abort_unfinished("users/ada/jobs/one/") == 0
    assert store.head("users/ada/jobs/one/video.mp4") is not None
