"""The vendor's signature over the exact bytes of a body, for requests and callbacks (fact sheet 1 and 6)."""

import hashlib


def sign(body: bytes, secret: str) -> str:
    """`md5hex(md5hex(body) + secret)`, lower-case hex."""
    inner = hashlib.md5(body, usedforsecurity=False).hexdigest()
    return hashlib.md5((inner + secret).encode(), usedforsecurity=False).hexdigest()
