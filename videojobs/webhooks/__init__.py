"""Webhooks out: what clients are told about their jobs, signed after the Standard Webhooks specification."""
