"""The bucket that the environment names, as a Prefect block and as an object store."""

from collections.abc import Mapping
from typing import Any

from prefect_aws import AwsCredentials, S3Bucket
from prefect_aws.client_parameters import AwsClientParameters

from deployments.server.environment import Environment
from videojobs.storage.object_store import ObjectStore


def storage_block(environment: Environment) -> S3Bucket | None:
    """The block, or None without a bucket name. Without an access key, AWS's own credential chain applies."""
    if environment.s3_bucket is None:
        return None
    key_id = environment.s3_access_key_id
    credentials = AwsCredentials(
        aws_access_key_id=key_id.get_secret_value() if key_id else None,
        aws_secret_access_key=environment.s3_secret_access_key,
        region_name=environment.s3_region or "us-east-1",
        aws_client_parameters=AwsClientParameters(
            endpoint_url=environment.s3_endpoint_url,
            config=_boto_config(is_custom_endpoint=bool(environment.s3_endpoint_url)),
        ),
    )
    return S3Bucket(bucket_name=environment.s3_bucket, credentials=credentials)


def object_store_from_env(variables: Mapping[str, str]) -> ObjectStore:
    """The object store of these variables, for commands without a Prefect server to load a block from."""
    environment = Environment.model_validate({name.lower(): value for name, value in variables.items()})
    block = storage_block(environment)
    if block is None:
        raise ValueError("S3_BUCKET is not set")
    return ObjectStore(block.credentials.get_client("s3"), block.bucket_name)


def _boto_config(*, is_custom_endpoint: bool) -> dict[str, Any]:
    """Presigned URLs need signature v4; S3-compatible stores need path style and lack trailing checksums."""
    config: dict[str, Any] = {"signature_version": "s3v4"}
    if is_custom_endpoint:
        config |= {
            "s3": {"addressing_style": "path"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
    return config
