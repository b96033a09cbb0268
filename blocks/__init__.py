"""Credentials and connections as Prefect blocks. A block gives a ready client; storage is S3Bucket of prefect-aws."""

from blocks.block_cache import load_block
from blocks.connections import Connections
from blocks.ghostcut import GhostCutCredentials
from blocks.job_database import JobDatabase
from blocks.sync_so import SyncSoCredentials

__all__ = ["Connections", "GhostCutCredentials", "JobDatabase", "SyncSoCredentials", "load_block"]
