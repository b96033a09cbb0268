"""The bucket of inputs and results, and its object keys.

    users/{user_id}/jobs/{job_id}/inputs/video.mp4                  unless the input was in storage already
                                  inputs/audio-1.wav
                                  pro_sync_result_{job_id}.mp4      the lip-sync result
                                  pro_result_{job_id}.mp4           the final result
                                  before_after_{job_id}.jpg
                                  lecture/lecture.pdf             of a lecture: the results of its stages

Network calls block: make them in a thread. They raise TransferInterrupted (retryable), InvalidMedia (no such object) or
ConfigurationError (address, bucket, keys, rights).
"""

import io
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Final, cast

from boto3.s3.transfer import TransferConfig

from videojobs.errors import ConfigurationError, InvalidMedia, TransferInterrupted
from videojobs.settings import DAY_SECONDS
from videojobs.storage.checked_stream import LengthCheckedStream
from videojobs.storage.errors import to_storage_error, translate_storage_errors
from videojobs.storage.range_reader import RangeReader
from videojobs.testing.fault_injection import fault_point

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PART_BYTES: Final = 8 * 1024**2  # bytes; S3 allows 10,000 parts, so 80 GB fit
_PARTS_IN_MEMORY: Final = 2  # being sent, while boto3 fills one more: 24 MiB for each transfer
_CHUNK_BYTES: Final = 1024**2  # bytes read from a file at a time
_MULTIPART_COPY_THRESHOLD: Final = 5 * 1024**3  # bytes; S3 copies larger objects in parts only
_MAX_DELETE_BATCH: Final = 1000  # S3's limit for one request
MAX_PRESIGN_SECONDS: Final = 7 * DAY_SECONDS  # S3's limit for a presigned URL

_UPLOAD_CONFIG: Final = TransferConfig(
    multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=2
)
_UPLOAD_CONFIG.max_in_memory_upload_chunks = (
    _PARTS_IN_MEMORY  # boto3 passes this to s3transfer, but has no argument for it
)
_COPY_CONFIG: Final = TransferConfig(
    multipart_threshold=_MULTIPART_COPY_THRESHOLD, multipart_chunksize=64 * _PART_BYTES
)

_CONTENT_TYPES: Final = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "avi": "video/x-msvideo",
    "mkv": "video/x-matroska",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
}


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of the bucket."""

    key: str
    size: int  # bytes
    uri: str


def parse_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`. Raises InvalidMedia."""
    found = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.+)", uri)
    if found is None:
        raise InvalidMedia("this is not a storage location; use s3://bucket/key")
    return found[1], found[2]


def job_prefix(user_id: str, job_id: str) -> str:
    """The key prefix of a job's objects. Both ids are safe in a path (`videojobs.requests.models`)."""
    return f"users/{user_id}/jobs/{job_id}/"


def video_key(user_id: str, job_id: str, container: str) -> str:
    """The input video."""
    return f"{job_prefix(user_id, job_id)}inputs/video.{container}"


def audio_key(user_id: str, job_id: str, ref_id: str, container: str) -> str:
    """An input audio file, named by its refId where that is unique.

    Some stores' disks do not distinguish `A` from `a`, and `video` is the video's own name.
    """
    name = ref_id.lower()
    if name != ref_id or name == "video":
        name = f"{name}-{sha256(ref_id.encode()).hexdigest()[:8]}"
    return f"{job_prefix(user_id, job_id)}inputs/{name}.{container}"


def lip_sync_result_key(user_id: str, job_id: str) -> str:
    """The lip-sync result."""
    return f"{job_prefix(user_id, job_id)}pro_sync_result_{job_id}.mp4"


def result_key(user_id: str, job_id: str) -> str:
    """The final result."""
    return f"{job_prefix(user_id, job_id)}pro_result_{job_id}.mp4"


def comparison_image_key(user_id: str, job_id: str) -> str:
    """The before/after picture."""
    return f"{job_prefix(user_id, job_id)}before_after_{job_id}.jpg"


def lecture_key(user_id: str, job_id: str, name: str) -> str:
    """A result of a lecture's stage, by its file name."""
    return f"{job_prefix(user_id, job_id)}lecture/{name}"


def content_type(container: str, *, audio_only: bool = False) -> str:
    """The media type for a container as `videojobs.media.probe` names it; `audio_only`: it has no picture."""
    found = _CONTENT_TYPES[container]
    return found.replace("video/", "audio/") if audio_only else found


class ObjectStore:
    """A bucket behind a ready boto3 S3 client."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    @property
    def client(self) -> "S3Client":
        """For `videojobs.storage.multipart_upload`."""
        return self._client

    def with_bucket(self, bucket: str) -> "ObjectStore":
        """Another bucket, with the same credentials."""
        return ObjectStore(self._client, bucket)

    def resolve_uri(self, uri: str) -> "tuple[ObjectStore, str]":
        """The bucket, with our credentials, and the key of `s3://bucket/key`. Raises InvalidMedia."""
        bucket, key = parse_uri(uri)
        return self.with_bucket(bucket), key

    def uri(self, key: str) -> str:
        """`s3://bucket/key`."""
        return f"s3://{self.bucket}/{key}"

    def put_file(self, key: str, path: Path, content_type: str) -> StoredObject:
        """Store a file, read in pieces."""
        with path.open("rb") as file:
            steps = iter(partial(file.read, _CHUNK_BYTES), b"")
            return self.put_stream(key, steps, content_type, expected_length=path.stat().st_size)

    def put_bytes(self, key: str, content: bytes, content_type: str) -> StoredObject:
        """Store a small object that is in memory."""
        return self.put_stream(key, [content], content_type, expected_length=len(content))

    def put_stream(
        self,
        key: str,
        chunks: Iterable[bytes],
        content_type: str,
        *,
        expected_length: int | None = None,
    ) -> StoredObject:
        """Store a stream in parts, with at most three of them in memory.

        A stream that ends early, or is not `expected_length` bytes long, stores nothing and raises
        TransferInterrupted; the stream's own errors pass unchanged.
        """
        source = LengthCheckedStream(chunks, expected_length, name="stream.put")
        fault_point("store.put.before")
        with translate_storage_errors("store an object"):
            self._client.upload_fileobj(
                cast("IO[bytes]", source),
                self.bucket,
                key,
                ExtraArgs={"ContentType": content_type},
                Config=_UPLOAD_CONFIG,
            )
        stored = self.head(key)
        if stored is None or stored.size != source.size:
            self.delete([key])
            raise TransferInterrupted(f"{source.size} bytes were sent, but not all of them were stored")
        fault_point("store.put.after")
        return StoredObject(key, source.size, self.uri(key))

    def copy(self, source_key: str, key: str) -> StoredObject:
        """Copy an object within the bucket, without downloading it."""
        fault_point("store.copy.before")
        with translate_storage_errors("copy an object"):
            self._client.copy({"Bucket": self.bucket, "Key": source_key}, self.bucket, key, Config=_COPY_CONFIG)
        copied = self.head(key)
        if copied is None:
            raise TransferInterrupted("the copied object does not exist")
        fault_point("store.copy.after")
        return copied

    def head(self, key: str) -> StoredObject | None:
        """An object's metadata; None if it does not exist."""
        try:
            with translate_storage_errors("look up an object"):
                size = self._client.head_object(Bucket=self.bucket, Key=key)["ContentLength"]
        except InvalidMedia:
            return None
        return StoredObject(key, size, self.uri(key))

    def open(self, key: str) -> BinaryIO:
        """An object as a seekable file, fetched in blocks while it is read. Raises InvalidMedia if it is missing."""
        stored = self.head(key)
        if stored is None:
            raise to_storage_error("read an object", "NoSuchKey", 404)
        return io.BufferedReader(RangeReader(stored.size, lambda start, end: self._read_range(key, start, end)))

    def download(self, key: str, path: Path) -> None:
        """Download an object to a file; creates its folder. Raises InvalidMedia if the object does not exist."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.open(key) as source, path.open("wb") as file:
            shutil.copyfileobj(source, file, _CHUNK_BYTES)

    def _read_range(self, key: str, start: int, end: int) -> bytes:
        with translate_storage_errors("read an object"):
            answer = self._client.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={start}-{end - 1}")
            content = answer["Body"].read()
        if len(content) != end - start:
            raise TransferInterrupted(f"{len(content)} of {end - start} bytes came from the storage")
        return content

    def presign(self, key: str, seconds: int, *, download_name: str | None = None) -> str:
        """A URL that reads the object without credentials for `seconds`.

        With `download_name`, a file name that is safe in a header, browsers save the object instead of showing it.
        """
        if not 0 < seconds <= MAX_PRESIGN_SECONDS:
            raise ConfigurationError(f"a link can last 1 to {MAX_PRESIGN_SECONDS} seconds, not {seconds}")
        with translate_storage_errors("sign a link"):
            disposition = (
                {"ResponseContentDisposition": f'attachment; filename="{download_name}"'} if download_name else {}
            )
            return self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self.bucket, "Key": key, **disposition}, ExpiresIn=seconds
            )

    def list_keys(self, prefix: str) -> Iterator[str]:
        """All keys with this prefix."""
        with translate_storage_errors("list objects"):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                yield from (item["Key"] for item in page.get("Contents", []))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; missing ones are no error."""
        all_keys = list(keys)
        fault_point("store.delete.before")
        for first in range(0, len(all_keys), _MAX_DELETE_BATCH):
            batch = all_keys[first : first + _MAX_DELETE_BATCH]
            with translate_storage_errors("delete objects"):
                answer = self._client.delete_objects(
                    Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
                )
            for failed in answer.get("Errors", []):
                raise to_storage_error("delete objects", failed.get("Code", ""), 0)
        fault_point("store.delete.after")

    def delete_prefix(self, prefix: str) -> int:
        """Delete all objects with this prefix, unfinished uploads too; returns the number of objects."""
        keys = list(self.list_keys(prefix))
        self.delete(keys)
        self.abort_multipart_uploads(prefix)
        return len(keys)

    def abort_multipart_uploads(self, prefix: str) -> int:
        """Abort multipart uploads that were never completed, as by killed processes; returns their number."""
        with translate_storage_errors("list unfinished uploads"):
            try:
                pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix)
                found = [upload for page in pages for upload in page.get("Uploads", [])]
            except self._client.exceptions.NoSuchUpload:  # rclone's response if there is none
                return 0
        fault_point("store.abort.before")
        for upload in found:
            with translate_storage_errors("abort an unfinished upload"), suppress(self._client.exceptions.NoSuchUpload):
                self._client.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        fault_point("store.abort.after")
        return len(found)
