"""Credentials and connections as Prefect blocks. A block gives a ready client; storage is S3Bucket of prefect-aws."""

from blocks.block_cache import load_block
from blocks.connections import Connections, callback_secret_variable, credentials_block
from blocks.job_database import JobDatabase

__all__ = ["Connections", "JobDatabase", "callback_secret_variable", "credentials_block", "load_block"]
