"""Sync.so, written from its fact sheet: lip-sync as a re-timed picture with the segments' audio."""
