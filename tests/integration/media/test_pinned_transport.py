"""A link never reaches an internal address, whatever its name, its redirects or its resolver say. Over real
connections.

Two web servers run on this machine: 127.0.0.2 represents the internet, 127.0.0.1 the internal network.
"""

import socket
from collections.abc import Iterator, Sequence
from threading import Event

import httpx
import pytest

from tests.support.fake_internet import (
    HTTP_ALLOWED,
    PRIVATE_ADDRESS,
    PUBLIC_ADDRESS,
    FakeResolver,
    fake_network,
    fetch_content,
)
from tests.support.website import CONTENT, Website, run_website
from videojobs.errors import InvalidMedia, TransferInterrupted
from videojobs.media import pinned_transport
from videojobs.media.ingest import ExpiredUrl, stream_url_to_store
from videojobs.media.pinned_transport import ssrf_safe_client
from videojobs.media.transfer_pace import TransferWatchdog
from videojobs.media.url_policy import UrlPolicy
from videojobs.settings import LinkSettings
from videojobs.storage.object_store import ObjectStore

__all__ = ["fake_network"]


@pytest.fixture(scope="module")
def public_site() -> Iterator[Website]:
    with run_website(PUBLIC_ADDRESS) as site:
        yield site


@pytest.fixture
def internal_site(website: Website) -> Website:
    website.named.clear()
    return website


async def test_a_name_is_resolved_once_and_kept_in_the_host_header(public_site: Website) -> None:
    resolver = FakeResolver(media_example=[[PUBLIC_ADDRESS]])
    public_site.named.clear()
    assert await fetch_content(public_site.url("file", "media.example"), resolver) == CONTENT
    assert resolver.queries == ["media.example"]
    assert public_site.named == [f"media.example:{public_site.server_port}"]


@pytest.mark.parametrize(
    "addresses",
    [
        [PRIVATE_ADDRESS],
        [PUBLIC_ADDRESS, PRIVATE_ADDRESS],
        [PRIVATE_ADDRESS, PUBLIC_ADDRESS],
        ["10.0.0.1"],
        ["::1"],
        ["169.254.169.254"],
        [],
    ],
)
async def test_a_host_with_any_private_address_is_not_connected_to(
    public_site: Website, internal_site: Website, addresses: list[str]
) -> None:
    public_site.named.clear()
    with pytest.raises(InvalidMedia, match="does not lead to a public address") as caught:
        await fetch_content(
            internal_site.url("file?signature=secret", "media.example"), FakeResolver(media_example=[addresses])
        )
    assert internal_site.named == public_site.named == []
    assert "secret" not in str(caught.value)


async def test_unknown_and_internal_hosts_give_the_same_error(internal_site: Website) -> None:
    sentences = []
    for resolver in (FakeResolver(), FakeResolver(db_example=[[PRIVATE_ADDRESS]])):
        with pytest.raises(InvalidMedia) as caught:
            await fetch_content("http://db.example/", resolver)
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]


@pytest.mark.parametrize(
    "name", [PRIVATE_ADDRESS, "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "db.example"]
)
async def test_a_redirect_to_an_internal_host_is_not_followed(
    public_site: Website, internal_site: Website, name: str
) -> None:
    resolver = FakeResolver(media_example=[[PUBLIC_ADDRESS]], db_example=[[PRIVATE_ADDRESS]])
    with pytest.raises(InvalidMedia, match="does not lead to a public address"):
        await fetch_content(public_site.url(f"to?{internal_site.url('file', name)}", "media.example"), resolver)
    assert internal_site.named == []


async def test_a_redirect_to_another_public_site_is_followed(public_site: Website) -> None:
    resolver = FakeResolver(a_example=[[PUBLIC_ADDRESS]], b_example=[[PUBLIC_ADDRESS]])
    assert (
        await fetch_content(public_site.url(f"to?{public_site.url('file', 'b.example')}", "a.example"), resolver)
        == CONTENT
    )
    assert resolver.queries == ["a.example", "b.example"]


async def test_dns_rebinding_still_connects_to_the_checked_address(
    public_site: Website, internal_site: Website
) -> None:
    resolver = FakeResolver(media_example=[[PUBLIC_ADDRESS], [PRIVATE_ADDRESS]])
    assert await fetch_content(public_site.url("file", "media.example"), resolver) == CONTENT
    assert internal_site.named == []


async def test_a_resumed_transfer_is_checked_again(public_site: Website, internal_site: Website) -> None:
    resolver = FakeResolver(media_example=[[PUBLIC_ADDRESS], [PRIVATE_ADDRESS]])
    with pytest.raises(InvalidMedia, match="does not lead to a public address"):
        await fetch_content(public_site.url("broken", "media.example"), resolver)
    assert internal_site.named == []


async def test_the_next_address_is_tried_when_one_does_not_answer(public_site: Website) -> None:
    resolver = FakeResolver(media_example=[["127.0.0.3", PUBLIC_ADDRESS]])
    assert await fetch_content(public_site.url("file", "media.example"), resolver) == CONTENT


async def test_an_unreachable_host_is_retryable() -> None:
    with pytest.raises(TransferInterrupted, match="ConnectError"):
        await fetch_content("http://media.example:9/", FakeResolver(media_example=[["127.0.0.3"]]))


async def test_a_dns_outage_is_retryable() -> None:
    def fail_temporarily(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    with pytest.raises(TransferInterrupted, match="cannot be resolved"):
        await fetch_content("http://media.example/", fail_temporarily)


async def test_an_impossible_host_name_is_refused() -> None:
    def getaddrinfo(host: str, port: int) -> Sequence[str]:
        host.encode("idna")
        return [PUBLIC_ADDRESS]

    with pytest.raises(InvalidMedia, match="does not lead to a public address"):
        await fetch_content(f"http://{'a' * 64}.example/", getaddrinfo)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"])
async def test_proxy_environment_variables_are_ignored(
    public_site: Website, internal_site: Website, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, internal_site.url(""))
    assert (
        await fetch_content(public_site.url("file", "media.example"), FakeResolver(media_example=[[PUBLIC_ADDRESS]]))
        == CONTENT
    )
    assert internal_site.named == []


async def test_only_allowed_hosts_are_fetched_even_after_a_redirect(public_site: Website) -> None:
    resolver = FakeResolver(a_example=[[PUBLIC_ADDRESS]], b_example=[[PUBLIC_ADDRESS]])
    only_a = UrlPolicy(frozenset({"a.example"}), allow_http=True)
    assert await fetch_content(public_site.url("file", "a.example"), resolver, only_a) == CONTENT
    with pytest.raises(InvalidMedia, match=r"not allowed; VIDEOJOBS_INPUT_HOSTS allows a\.example"):
        await fetch_content(
            public_site.url(f"to?{public_site.url('file', 'b.example')}", "a.example"), resolver, only_a
        )


@pytest.mark.parametrize("route", ["at once", "redirected"])
async def test_an_internal_result_url_is_refused_but_retryable(
    store: ObjectStore, public_site: Website, internal_site: Website, route: str
) -> None:
    url = internal_site.url("file") if route == "at once" else public_site.url(f"to?{internal_site.url('file')}")
    with pytest.raises(ExpiredUrl, match="does not lead to a public address"):
        await stream_url_to_store(url, store, "result.mp4", content_type="video/mp4", policy=HTTP_ALLOWED)
    assert list(store.list_keys("")) == []
    assert internal_site.named == []


def test_the_system_resolver_is_used_unchanged() -> None:
    assert PRIVATE_ADDRESS in pinned_transport.resolve("localhost", 80)
    with pytest.raises(OSError, match=r".+"):
        pinned_transport.resolve("no-such-name.invalid", 80)


def test_the_ssrf_safe_client_ignores_the_environment() -> None:
    with ssrf_safe_client(HTTP_ALLOWED, TransferWatchdog(LinkSettings(), 0, Event())) as client:
        assert isinstance(client, httpx.Client)
        assert not client.trust_env
