"""Vendors: exact requests, tolerant parsing of responses, typed errors. Facts: each vendor's fact sheet."""
