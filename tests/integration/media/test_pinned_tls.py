"""TLS to an address that was resolved and checked before: the certificate still has to match the host name."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.fake_internet import PUBLIC_ADDRESS, FakeResolver, fake_network, fetch_content
from tests.support.website import CONTENT, Website, run_website
from videojobs.errors import TransferInterrupted
from videojobs.media import paced_network, pinned_transport
from videojobs.media.url_policy import UrlPolicy

__all__ = ["fake_network"]


def make_certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


ServerNames = list[str | None]


@pytest.fixture
def tls_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Website, ServerNames]]:
    """A public site with the certificate of `media.example`, and the server names that clients requested."""
    file = make_certificate(tmp_path, "media.example")
    monkeypatch.setattr(pinned_transport, "tls_context", lambda: ssl.create_default_context(cafile=str(file)))
    asked: ServerNames = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.set_servername_callback(lambda _socket, name, _: asked.append(name))
    with run_website(PUBLIC_ADDRESS) as site:
        site.socket = context.wrap_socket(site.socket, server_side=True)
        yield site, asked


async def test_tls_uses_the_host_name_for_sni_and_verification(tls_site: tuple[Website, ServerNames]) -> None:
    site, asked = tls_site
    url = f"https://media.example:{site.server_port}/file"
    assert await fetch_content(url, FakeResolver(media_example=[[PUBLIC_ADDRESS]]), UrlPolicy()) == CONTENT
    assert asked == ["media.example"]
    assert site.named == [f"media.example:{site.server_port}"]


async def test_a_certificate_for_another_name_is_refused(
    tls_site: tuple[Website, ServerNames],
) -> None:
    site, _ = tls_site
    with pytest.raises(TransferInterrupted, match="ConnectError"):
        await fetch_content(
            f"https://other.example:{site.server_port}/file",
            FakeResolver(other_example=[[PUBLIC_ADDRESS]]),
            UrlPolicy(),
        )
    assert site.named == []


async def test_a_slow_tls_handshake_completes(
    tls_site: tuple[Website, ServerNames], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handshake takes longer than one wait interval, and then continues."""
    site, _ = tls_site
    monkeypatch.setattr(paced_network, "WAIT_SLICE_SECONDS", 0.02)

    def delay(*_: object) -> None:
        site.closing.wait(0.1)

    assert isinstance(site.socket, ssl.SSLSocket)
    site.socket.context.set_servername_callback(delay)
    url = f"https://media.example:{site.server_port}/steady"
    assert await fetch_content(url, FakeResolver(media_example=[[PUBLIC_ADDRESS]]), UrlPolicy()) == CONTENT
