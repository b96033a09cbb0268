"""Media: probing and validating files, the object store, bringing files in, the before/after picture."""
