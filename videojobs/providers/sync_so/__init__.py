"""Sync.so, the lip-sync vendor (HTTP API v2)."""
