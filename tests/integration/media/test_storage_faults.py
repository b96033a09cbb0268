"""A store that fails, corrupts or loses data causes an error of the right kind, and never a partial object."""

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
from videojobs.storage.errors import translate_storage_errors
from videojobs.storage.object_store import ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def client_error(status: int, code: str) -> ClientError:
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
        (client_error(503, "SlowDown"), TransferInterrupted),
        (client_error(500, "InternalError"), TransferInterrupted),
        (client_error(429, "TooManyRequests"), TransferInterrupted),
        (client_error(400, "RequestTimeout"), TransferInterrupted),
        (client_error(404, "NoSuchUpload"), TransferInterrupted),
        (client_error(404, "NoSuchKey"), InvalidMedia),
        (client_error(404, "404"), InvalidMedia),
        (client_error(404, "NoSuchBucket"), ConfigurationError),
        (client_error(403, "AccessDenied"), ConfigurationError),
        (client_error(403, "InvalidAccessKeyId"), ConfigurationError),
        (client_error(301, "PermanentRedirect"), ConfigurationError),
        (client_error(400, "KeyTooLongError"), ConfigurationError),
        (EndpointConnectionError(endpoint_url="http://store"), TransferInterrupted),
        (ReadTimeoutError(endpoint_url="http://store"), TransferInterrupted),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), TransferInterrupted),
        (SSLError(endpoint_url="https://store", error=OSError("bad certificate")), ConfigurationError),
        (NoCredentialsError(), ConfigurationError),
    ],
)
def test_each_s3_error_has_its_own_exception(raised: Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as caught, translate_storage_errors("store an object"):
        raise raised
    assert "AKIASECRET" not in str(caught.value)


class FaultyS3Client:
    """A store that accepts everything, keeps `kept` bytes of it, and returns those for any request."""

    def __init__(self, kept: bytes | None) -> None:
        self._kept = kept
        self.deleted: list[str] = []

    def upload_fileobj(self, source: Any, *_: object, **__: object) -> None:
        source.read()

    def copy(self, *_: object, **__: object) -> None:
        """Does nothing."""

    def head_object(self, **_: object) -> dict[str, int]:
        if self._kept is None:
            raise client_error(404, "404")
        return {"ContentLength": len(self._kept)}

    def get_object(self, **_: object) -> dict[str, Any]:
        class Body:
            def read(self) -> bytes:
                return b"short"

        return {"Body": Body()}

    def delete_objects(self, Delete: dict[str, Any], **_: object) -> dict[str, Any]:  # noqa: N803  # boto3's name
        self.deleted += [item["Key"] for item in Delete["Objects"]]
        return {"Errors": [{"Key": "held", "Code": "AccessDenied"}]} if "held" in self.deleted else {}


def make_store(client: FaultyS3Client) -> ObjectStore:
    return ObjectStore(cast("S3Client", client), "bucket")


@pytest.mark.parametrize("kept", [None, b"half"])
def test_an_incompletely_stored_object_is_removed(kept: bytes | None) -> None:
    liar = FaultyS3Client(kept)
    with pytest.raises(TransferInterrupted, match="not all of them were stored"):
        make_store(liar).put_bytes("result.mp4", b"all of it", "video/mp4")
    assert liar.deleted == ["result.mp4"]


def test_a_missing_copy_is_retryable() -> None:
    with pytest.raises(TransferInterrupted, match="copied object"):
        make_store(FaultyS3Client(None)).copy("a", "b")


def test_a_short_range_read_is_not_treated_as_end_of_file() -> None:
    with pytest.raises(TransferInterrupted, match="5 of 9 bytes"):
        make_store(FaultyS3Client(b"long film")).open("film.mp4").read()


def test_a_denied_delete_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="delete objects"):
        make_store(FaultyS3Client(None)).delete(["held"])


def test_seeking_before_the_start_of_an_object_fails() -> None:
    with pytest.raises(ValueError, match="before the start"):
        make_store(FaultyS3Client(b"film")).open("film.mp4").seek(-1)
