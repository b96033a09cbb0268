"""Formats values for messages."""

import re


def format_seconds(value: float) -> str:
    """`1.8 s`: seconds as people write them."""
    return f"{value:.6f}".rstrip("0").rstrip(".") + " s"


def safe_display(name: str) -> str:
    """A name from a client: a plain word as it is, anything else quoted, escaped and cut to 64 characters."""
    return name if re.fullmatch(r"[\w-]{1,64}", name) else ascii(name[:64])
