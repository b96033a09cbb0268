"""Emulators of the two paid vendors, written from the vendors' documentation, not from our clients."""
