"""A storage that fails, lies or forgets gives an error of the right kind, and never a half object."""

from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from videojobs.errors import ConfigurationError, InvalidMedia, TransferInterrupted
from videojobs.media.storage_errors import storage_errors
from videojobs.media.store import ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def refused(status: int, code: str) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": "AKIASECRET is not allowed"},
            "ResponseMetadata": {
                "HTTPStatusCode": status, "RequestId": "", "HostId": "", "HTTPHeaders": {}, "RetryAttempts": 0,
            },
        },
        "PutObject",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (refused(503, "SlowDown"), TransferInterrupted),
        (refused(500, "InternalError"), TransferInterrupted),
        (refused(429, "TooManyRequests"), TransferInterrupted),
        (refused(400, "RequestTimeout"), TransferInterrupted),
        (refused(404, "NoSuchUpload"), TransferInterrupted),
        (refused(404, "NoSuchKey"), InvalidMedia),
        (refused(404, "404"), InvalidMedia),
        (refused(404, "NoSuchBucket"), ConfigurationError),
        (refused(403, "AccessDenied"), ConfigurationError),
        (refused(403, "InvalidAccessKeyId"), ConfigurationError),
        (refused(301, "PermanentRedirect"), ConfigurationError),
        (refused(400, "KeyTooLongError"), ConfigurationError),
        (EndpointConnectionError(endpoint_url="http://store"), TransferInterrupted),
        (ReadTimeoutError(endpoint_url="http://store"), TransferInterrupted),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), TransferInterrupted),
        (SSLError(endpoint_url="https://store", error=OSError("bad certificate")), ConfigurationError),
        (NoCredentialsError(), ConfigurationError),
    ],
)
def test_each_failure_of_a_storage_has_its_kind(raised: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as caught, storage_errors("store an object"):
        raise raised
    assert "AKIASECRET" not in str(caught.value)


class Liar:
    """A storage that takes everything, keeps `kept` bytes of it, and gives that back whatever it is asked for."""

    def __init__(self, kept: bytes | None) -> None:
        self._kept = kept
        self.deleted: list[str] = []

    def upload_fileobj(self, source: Any, *_: object, **__: object) -> None:
        source.read()

    def copy(self, *_: object, **__: object) -> None:
        """Does nothing."""

    def head_object(self, **_: object) -> dict[str, int]:
        if self._kept is None:
            raise refused(404, "404")
        return {"ContentLength": len(self._kept)}

    def get_object(self, **_: object) -> dict[str, Any]:
        class Body:
            def read(self) -> bytes:
                return b"short"

        return {"Body": Body()}

    def delete_objects(self, Delete: dict[str, Any], **_: object) -> dict[str, Any]:  # noqa: N803  # boto3's name
        self.deleted += [item["Key"] for item in Delete["Objects"]]
        return {"Errors": [{"Key": "held", "Code": "AccessDenied"}]} if "held" in self.deleted else {}


def store_of(liar: Liar) -> ObjectStore:
    return ObjectStore(cast("S3Client", liar), "bucket")


@pytest.mark.parametrize("kept", [None, b"half"])
def test_an_object_that_was_not_kept_whole_is_removed(kept: bytes | None) -> None:
    liar = Liar(kept)
    with pytest.raises(TransferInterrupted, match="not all of them were stored"):
        store_of(liar).put_bytes("result.mp4", b"all of it", "video/mp4")
    assert liar.deleted == ["result.mp4"]


def test_a_copy_that_is_not_there_is_tried_again() -> None:
    with pytest.raises(TransferInterrupted, match="copy"):
        store_of(Liar(None)).copy("a", "b")


def test_a_range_that_comes_short_is_not_taken_for_the_end_of_the_file() -> None:
    with pytest.raises(TransferInterrupted, match="5 of 9 bytes"):
        store_of(Liar(b"long film")).open("film.mp4").read()


def test_an_object_that_may_not_be_deleted_is_told() -> None:
    with pytest.raises(ConfigurationError, match="delete objects"):
        store_of(Liar(None)).delete(["held"])


def test_a_place_before_the_start_of_an_object_does_not_exist() -> None:
    with pytest.raises(ValueError, match="before the start"):
        store_of(Liar(b"film")).open("film.mp4").seek(-1)
