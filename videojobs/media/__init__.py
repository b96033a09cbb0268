"""Media: probe and validate files, ingest inputs, draw the before/after picture."""
