"""Converts boto3's errors to ours. Messages contain the store's error codes, never its texts."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
    SSLError,
)
from botocore.exceptions import ConnectionError as NotConnected

from videojobs.errors import ConfigurationError, InvalidMedia, TransferInterrupted, VideoJobError

_MISSING: Final = frozenset({"NoSuchKey", "NotFound", "404"})
_TRANSIENT: Final = frozenset(
    {
        "RequestTimeout",  # a 400: the store waited too long for our bytes
        "NoSuchUpload",  # a 404: the store lost a partial upload, as a restarted one does
    }
)


@contextmanager
def translate_storage_errors(action: str) -> Iterator[None]:
    """Convert the block's errors to TransferInterrupted, InvalidMedia or ConfigurationError.

    `action` completes "the storage refused to ...".
    """
    try:
        yield
    except ClientError as error:
        raise to_storage_error(action, error.response.get("Error", {}).get("Code", ""), _http_status(error)) from error
    except SSLError as error:
        raise ConfigurationError("the storage's certificate is not valid; check its address") from error
    except (NotConnected, HTTPClientError, ResponseStreamingError, IncompleteReadError) as error:
        raise TransferInterrupted(f"the connection to the storage was interrupted ({type(error).__name__})") from error
    except BotoCoreError as error:
        raise ConfigurationError(
            f"the storage cannot be used ({type(error).__name__}); check its address, keys and region"
        ) from error


def to_storage_error(action: str, code: str, status: int) -> VideoJobError:
    """The error for an S3 error code and its HTTP status (0 without one)."""
    if status >= 500 or status == 429 or code in _TRANSIENT or code in ("SlowDown", "InternalError"):
        return TransferInterrupted(f"the storage could not {action} now ({code or status})")
    if code in _MISSING:
        return InvalidMedia("there is no such object in the storage; upload it first, or correct its address")
    return ConfigurationError(
        f"the storage refused to {action} ({code or status}); check its bucket, keys and permissions"
    )


def _http_status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
