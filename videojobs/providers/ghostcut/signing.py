"""GhostCut's signature of requests (`AppSign`) and callbacks. Facts: GhostCut fact sheet, section 1.

It covers exactly the bytes that are sent. It contains no time, so it cannot reveal a replay.
"""

from hashlib import md5

from pydantic import SecretStr


def sign(body: bytes, app_secret: SecretStr) -> str:
    """md5hex(md5hex(body) + secret), in lower case."""
    return _md5hex(_md5hex(body).encode() + app_secret.get_secret_value().encode())


def _md5hex(data: bytes) -> str:
    # The vendor requires MD5. The flag lets it run on systems whose policy bars MD5 from security uses.
    return md5(data, usedforsecurity=False).hexdigest()
