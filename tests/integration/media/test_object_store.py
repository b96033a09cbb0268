"""Objects are stored and read completely, or not at all. Against a real S3 server."""

import random
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.media.conftest import free_port, s3_client
from tests.support.media_factory import MediaSpec
from videojobs.errors import ConfigurationError, InvalidMedia, TransferInterrupted, VideoJobError
from videojobs.media.probe import probe_video
from videojobs.storage.object_store import MAX_PRESIGN_SECONDS, ObjectStore
from videojobs.storage.range_reader import BLOCK_BYTES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB = 1024**2
MULTIPART_CONTENT = random.Random(1).randbytes(20 * MIB + 17)


def split_chunks(content: bytes, size: int = MIB) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def is_store_empty(store: ObjectStore, s3: "S3Client") -> bool:
    """Neither objects nor unfinished uploads are left."""
    try:
        half_sent = s3.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])
    except s3.exceptions.NoSuchUpload:  # rclone's response if there are none
        half_sent = []
    return not half_sent and not list(store.list_keys(""))


@pytest.mark.parametrize("content", [b"", b"small", MULTIPART_CONTENT], ids=["empty", "small", "several parts"])
def test_a_stream_is_stored_byte_for_byte_and_its_hash_is_given(store: ObjectStore, content: bytes) -> None:
    stored = store.put_stream("inputs/video.mp4", split_chunks(content), "video/mp4", expected_length=len(content))
    assert stored.size == len(content)
    assert stored.uri == f"s3://{store.bucket}/inputs/video.mp4"
    assert store.open("inputs/video.mp4").read() == content


def test_a_file_is_stored_and_found_again(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "clip").write_bytes(b"some sound")
    stored = store.put_file("inputs/audio-1.wav", tmp_path / "clip", "audio/wav")
    found = store.head("inputs/audio-1.wav")
    assert found is not None
    assert (found.size, found.uri) == (stored.size, stored.uri)


def test_a_presigned_link_needs_no_credentials(store: ObjectStore) -> None:
    store.put_bytes("picture.jpg", b"picture", "image/jpeg")
    answer = httpx.get(store.presign("picture.jpg", 60))
    assert (answer.content, answer.headers["Content-Type"]) == (b"picture", "image/jpeg")


def test_a_link_that_was_tampered_with_gives_nothing(store: ObjectStore) -> None:
    store.put_bytes("mine.jpg", b"mine", "image/jpeg")
    store.put_bytes("yours.jpg", b"yours", "image/jpeg")
    assert httpx.get(store.presign("mine.jpg", 60).replace("mine.jpg", "yours.jpg")).status_code == 403


@pytest.mark.parametrize("seconds", [0, -1, MAX_PRESIGN_SECONDS + 1])
def test_a_link_lifetime_beyond_the_s3_limit_is_refused(store: ObjectStore, seconds: int) -> None:
    with pytest.raises(ConfigurationError, match="a link can last"):
        store.presign("picture.jpg", seconds)


def test_an_object_is_fetched_into_a_file(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes("long.bin", MULTIPART_CONTENT, "application/octet-stream")
    store.download("long.bin", tmp_path / "new folder" / "long.bin")
    assert (tmp_path / "new folder" / "long.bin").read_bytes() == MULTIPART_CONTENT


def test_a_copy_stays_within_the_store(store: ObjectStore) -> None:
    store.put_bytes("a.mp4", b"film", "video/mp4")
    assert store.copy("a.mp4", "b.mp4").size == 4
    assert store.open("b.mp4").read() == b"film"


def test_objects_are_listed_and_deleted_by_their_names(store: ObjectStore) -> None:
    for key in ("users/u/1", "users/u/2", "users/other"):
        store.put_bytes(key, b"x", "text/plain")
    store.delete([*store.list_keys("users/u/"), "never-there"])
    assert list(store.list_keys("")) == ["users/other"]
    assert store.head("users/u/1") is None


@pytest.mark.parametrize("length", [3 * MIB, 20 * MIB], ids=["one part", "several parts"])
def test_a_stream_that_breaks_off_leaves_nothing_behind(store: ObjectStore, s3: "S3Client", length: int) -> None:
    def interrupted() -> Iterator[bytes]:
        yield from split_chunks(MULTIPART_CONTENT[:length])
        raise TransferInterrupted("the other side is gone")

    with pytest.raises(TransferInterrupted, match="the other side is gone"):
        store.put_stream("result.mp4", interrupted(), "video/mp4")
    assert is_store_empty(store, s3)


@pytest.mark.parametrize("length", [3 * MIB, 20 * MIB], ids=["one part", "several parts"])
@pytest.mark.parametrize("difference", [-1, 1])
def test_a_stream_of_unexpected_length_leaves_nothing_behind(
    store: ObjectStore, s3: "S3Client", length: int, difference: int
) -> None:
    with pytest.raises(TransferInterrupted, match="bytes arrived"):
        store.put_stream(
            "result.mp4", split_chunks(MULTIPART_CONTENT[:length]), "video/mp4", expected_length=length + difference
        )
    assert is_store_empty(store, s3)


def test_a_long_stream_is_not_held_in_memory(store: ObjectStore) -> None:
    tracemalloc.start()
    try:
        stored = store.put_stream("long.mp4", (bytes(MIB) for _ in range(128)), "video/mp4")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert stored.size == 128 * MIB
    assert peak < 64 * MIB


def test_an_object_is_read_in_blocks_from_any_offset(store: ObjectStore) -> None:
    store.put_bytes("long.bin", MULTIPART_CONTENT, "application/octet-stream")
    file = store.open("long.bin")
    for place in (len(MULTIPART_CONTENT) - 5, 0, BLOCK_BYTES - 3, 7 * BLOCK_BYTES + 1, 2, len(MULTIPART_CONTENT) + 9):
        file.seek(place)
        assert file.read(10) == MULTIPART_CONTENT[place : place + 10]


def test_a_video_is_decoded_directly_from_s3(store: ObjectStore, tmp_path: Path) -> None:
    path = MediaSpec().write(tmp_path / "clip.mp4")
    store.put_file("clip.mp4", path, "video/mp4")
    assert probe_video(store.open("clip.mp4")) == probe_video(path)


def test_an_object_deleted_during_decoding_is_not_called_damaged(store: ObjectStore, tmp_path: Path) -> None:
    store.put_file("clip.mp4", MediaSpec(seconds=8).write(tmp_path / "clip.mp4"), "video/mp4")
    file = store.open("clip.mp4")
    store.delete(["clip.mp4"])
    with pytest.raises(InvalidMedia, match="no such object"):
        probe_video(file)


def test_a_missing_object_has_its_own_error(store: ObjectStore) -> None:
    with pytest.raises(InvalidMedia, match="no such object"):
        store.open("nothing.mp4")
    with pytest.raises(InvalidMedia, match="no such object"):
        store.copy("nothing.mp4", "b.mp4")


def unreachable_store(_: ObjectStore) -> ObjectStore:
    return ObjectStore(s3_client(free_port(), "some-access-key", "some-secret-key"), "bucket")


def store_with_wrong_keys(store: ObjectStore) -> ObjectStore:
    port = int(store._client.meta.endpoint_url.rsplit(":", 1)[1])
    return ObjectStore(s3_client(port, "some-access-key", "some-secret-key"), store.bucket)


def store_with_missing_bucket(store: ObjectStore) -> ObjectStore:
    return store.with_bucket("there-is-no-such-bucket")


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (unreachable_store, TransferInterrupted),
        (store_with_wrong_keys, ConfigurationError),
        (store_with_missing_bucket, ConfigurationError),
    ],
)
@pytest.mark.parametrize("length", [10, 9 * MIB], ids=["one part", "several parts"])
def test_storage_errors_are_distinct_and_show_no_secret(
    store: ObjectStore,
    broken: Callable[[ObjectStore], ObjectStore],
    expected: type[VideoJobError],
    length: int,
) -> None:
    with pytest.raises(expected) as caught:
        broken(store).put_bytes("a.mp4", bytes(length), "video/mp4")
    assert "some-" not in str(caught.value)
