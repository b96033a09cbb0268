"""GhostCut's signature: of requests (`AppSign`) and of callbacks. Facts: GhostCut fact sheet, section 1.

It covers exactly the bytes that are sent, carries no time, and so cannot tell a replay.
"""

from hashlib import md5

from pydantic import SecretStr


def sign(body: bytes, app_secret: SecretStr) -> str:
    """Give md5hex(md5hex(body) + secret), lower-case."""
    return _md5hex(_md5hex(body).encode() + app_secret.get_secret_value().encode())


def _md5hex(data: bytes) -> str:
    # The vendor's choice. The flag lets it run on systems whose policy bars MD5 from security uses.
    return md5(data, usedforsecurity=False).hexdigest()
