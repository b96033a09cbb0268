"""The two paid vendors, as programs on this machine: written from the vendors' facts, not from our clients."""
