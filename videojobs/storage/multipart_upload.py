"""An object that is uploaded in parts, by this process or, with signed links, by a client. Calls block."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from videojobs.errors import ConfigurationError, InvalidMedia, TransferInterrupted
from videojobs.storage.errors import translate_storage_errors
from videojobs.storage.object_store import ObjectStore, StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

MIN_PART_BYTES: Final = 5 * 1024**2  # S3's minimum for all parts but the last
MAX_PARTS: Final = 10_000  # S3's limit


class MultipartUpload:
    """An unfinished object. It does not exist for others before `complete`."""

    def __init__(self, store: ObjectStore, key: str, upload_id: str) -> None:
        self._store = store
        self.key = key
        self.upload_id = upload_id

    @classmethod
    def create(cls, store: ObjectStore, key: str, content_type: str) -> "MultipartUpload":
        """Start an upload."""
        with translate_storage_errors("start a multipart upload"):
            answer = store.client.create_multipart_upload(Bucket=store.bucket, Key=key, ContentType=content_type)
        return cls(store, key, answer["UploadId"])

    def upload_part(self, number: int, content: bytearray) -> str:
        """Upload part `number`, from 1 on. Returns its ETag."""
        with translate_storage_errors("upload a part of an object"):
            answer = self._store.client.upload_part(
                Bucket=self._store.bucket,
                Key=self.key,
                UploadId=self.upload_id,
                PartNumber=number,
                Body=content,  # type: ignore[arg-type]  # boto3 takes it, and copies nothing
            )
        return answer["ETag"]

    def presign_part(self, number: int, size: int, seconds: int) -> str:
        """A link to PUT this part, of exactly `size` bytes, within `seconds`."""
        with translate_storage_errors("sign a link"):
            return self._store.client.generate_presigned_url(
                "upload_part",
                Params={
                    "Bucket": self._store.bucket,
                    "Key": self.key,
                    "UploadId": self.upload_id,
                    "PartNumber": number,
                    "ContentLength": size,
                },
                ExpiresIn=seconds,
            )

    def complete(self, etags: Sequence[str]) -> StoredObject:
        """Make the object from its parts, in this order. Raises InvalidMedia if the ETags are wrong."""
        parts: list[CompletedPartTypeDef] = [
            {"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, start=1)
        ]
        try:
            with translate_storage_errors("complete an object"):
                self._store.client.complete_multipart_upload(
                    Bucket=self._store.bucket,
                    Key=self.key,
                    UploadId=self.upload_id,
                    MultipartUpload={"Parts": parts},
                )
        except ConfigurationError as error:
            if _error_code(error) in _INVALID_PARTS_CODES:
                raise InvalidMedia("are not those of the stored parts; send the parts again") from error
            raise
        stored = self._store.head(self.key)
        if stored is None:
            raise TransferInterrupted("the completed object does not exist")
        return stored

    def abort(self) -> None:
        """Delete all parts. No error if the upload does not exist any more."""
        client = self._store.client
        with translate_storage_errors("abort a multipart upload"), suppress(client.exceptions.NoSuchUpload):
            client.abort_multipart_upload(Bucket=self._store.bucket, Key=self.key, UploadId=self.upload_id)


_INVALID_PARTS_CODES: Final = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML"})


def _error_code(error: ConfigurationError) -> str:
    cause = error.__cause__
    return cause.response.get("Error", {}).get("Code", "") if isinstance(cause, ClientError) else ""
