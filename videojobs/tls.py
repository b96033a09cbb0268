"""The TLS context of our HTTP clients."""

from functools import cache
from ssl import SSLContext

import httpx


@cache
def tls_context() -> SSLContext:
    """One for all clients: reading the certificates takes 40 ms. Respects `SSL_CERT_FILE`."""
    return httpx.create_ssl_context()
