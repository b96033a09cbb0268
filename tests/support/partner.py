"""A partner that signs tokens for its own users, and publishes its keys."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

ISSUER: Final = "https://partner.example"
AUDIENCE: Final = "videojobs"


def new_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


KEY: Final = new_key()
OTHER_KEY: Final = new_key()


def public_pem(key: rsa.RSAPrivateKey = KEY) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: rsa.RSAPrivateKey = KEY) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def claims_of(user: str = "ada", **changes: Any) -> dict[str, Any]:
    """Valid claims. None leaves a claim out."""
    found = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "exp": int(time.time()) + 600, "scope": "submit read"}
    return {name: value for name, value in (found | changes).items() if value is not None}


def sign_token(user: str = "ada", *, key: rsa.RSAPrivateKey = KEY, kid: str | None = None, **changes: Any) -> str:
    headers = {"kid": kid} if kid else None
    return jwt.encode(claims_of(user, **changes), key, algorithm="RS256", headers=headers)


def raw_token(header: dict[str, Any], signature: bytes = b"s" * 256, **changes: Any) -> str:
    """A token that no library would make."""
    parts = (json.dumps(header).encode(), json.dumps(claims_of(**changes)).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def jwk(key: rsa.RSAPrivateKey, kid: str | None, **changes: Any) -> dict[str, Any]:
    entry = {**jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "use": "sig", "alg": "RS256"}
    return entry | ({"kid": kid} if kid else {}) | changes


class KeyServer(ThreadingHTTPServer):
    """Publishes `entries` as a key set, or responds with `status`."""

    def __init__(self, *entries: dict[str, Any]) -> None:
        self.entries = list(entries)
        self.status = 200
        self.content: bytes | None = None  # instead of the entries
        self.requests = 0
        self.go_on = Event()  # cleared: it does not respond
        self.go_on.set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/.well-known/jwks.json"


class _Handler(BaseHTTPRequestHandler):
    server: KeyServer

    def do_GET(self) -> None:
        self.server.requests += 1
        self.server.go_on.wait(10)
        content = self.server.content or json.dumps({"keys": self.server.entries}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(content)))
        if self.server.status == 302:
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002


@contextmanager
def publish_keys(*entries: dict[str, Any]) -> Iterator[KeyServer]:
    with KeyServer(*entries) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
