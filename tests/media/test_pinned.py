"""A link never leads inside, whatever its name, its redirects or its resolver say. Over real connections.

Two web servers on this machine: 127.0.0.2 stands for the internet, 127.0.0.1 for the inside.
"""

import socket
from collections.abc import Iterator, Sequence
from threading import Event

import httpx
import pytest

from tests.media.internet import HTTP, INSIDE, OUTSIDE, Resolver, content, the_internet
from tests.media.website import CONTENT, Website, serving
from videojobs.errors import InvalidMedia, TransferInterrupted
from videojobs.media import pinned
from videojobs.media.pace import Pace
from videojobs.media.pinned import guarded_http
from videojobs.media.reach import Reach
from videojobs.media.sources import ExpiredLink, copy_url_to_store
from videojobs.media.store import ObjectStore
from videojobs.settings import Links

__all__ = ["the_internet"]


@pytest.fixture(scope="module")
def outside() -> Iterator[Website]:
    with serving(OUTSIDE) as site:
        yield site


@pytest.fixture
def inside(website: Website) -> Website:
    website.named.clear()
    return website


async def test_a_name_is_looked_up_once_and_the_site_is_called_by_it(outside: Website) -> None:
    resolver = Resolver(media_example=[[OUTSIDE]])
    outside.named.clear()
    assert await content(outside.url("file", "media.example"), resolver) == CONTENT
    assert resolver.asked == ["media.example"]
    assert outside.named == [f"media.example:{outside.server_port}"]


@pytest.mark.parametrize(
    "means", [[INSIDE], [OUTSIDE, INSIDE], [INSIDE, OUTSIDE], ["10.0.0.1"], ["::1"], ["169.254.169.254"], []]
)
async def test_a_name_that_means_anything_inside_is_not_connected_to(
    outside: Website, inside: Website, means: list[str]
) -> None:
    outside.named.clear()
    with pytest.raises(InvalidMedia, match="leads to no public address") as caught:
        await content(inside.url("file?signature=secret", "media.example"), Resolver(media_example=[means]))
    assert inside.named == outside.named == []
    assert "secret" not in str(caught.value)


async def test_what_is_not_known_and_what_is_inside_sound_alike(inside: Website) -> None:
    sentences = []
    for resolver in (Resolver(), Resolver(db_example=[[INSIDE]])):
        with pytest.raises(InvalidMedia) as caught:
            await content("http://db.example/", resolver)
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]


@pytest.mark.parametrize(
    "name", [INSIDE, "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "db.example"]
)
async def test_a_redirect_that_leads_inside_is_not_followed(outside: Website, inside: Website, name: str) -> None:
    resolver = Resolver(media_example=[[OUTSIDE]], db_example=[[INSIDE]])
    with pytest.raises(InvalidMedia, match="leads to no public address"):
        await content(outside.url(f"to?{inside.url('file', name)}", "media.example"), resolver)
    assert inside.named == []


async def test_a_redirect_to_another_site_outside_is_followed(outside: Website) -> None:
    resolver = Resolver(a_example=[[OUTSIDE]], b_example=[[OUTSIDE]])
    assert await content(outside.url(f"to?{outside.url('file', 'b.example')}", "a.example"), resolver) == CONTENT
    assert resolver.asked == ["a.example", "b.example"]


async def test_a_name_that_means_something_else_after_the_check_leads_to_what_was_checked(
    outside: Website, inside: Website
) -> None:
    resolver = Resolver(media_example=[[OUTSIDE], [INSIDE]])
    assert await content(outside.url("file", "media.example"), resolver) == CONTENT
    assert inside.named == []


async def test_a_transfer_that_goes_on_after_a_break_is_checked_again(outside: Website, inside: Website) -> None:
    resolver = Resolver(media_example=[[OUTSIDE], [INSIDE]])
    with pytest.raises(InvalidMedia, match="leads to no public address"):
        await content(outside.url("broken", "media.example"), resolver)
    assert inside.named == []


async def test_of_several_addresses_the_next_one_is_tried_where_nobody_answers(outside: Website) -> None:
    resolver = Resolver(media_example=[["127.0.0.3", OUTSIDE]])
    assert await content(outside.url("file", "media.example"), resolver) == CONTENT


async def test_where_nobody_answers_at_all_a_later_try_may_go_well() -> None:
    with pytest.raises(TransferInterrupted, match="ConnectError"):
        await content("http://media.example:9/", Resolver(media_example=[["127.0.0.3"]]))


async def test_a_resolver_that_is_away_is_no_fault_of_the_link() -> None:
    def away(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    with pytest.raises(TransferInterrupted, match="looked up"):
        await content("http://media.example/", away)


async def test_a_name_that_can_be_none_is_refused() -> None:
    def by_the_book(host: str, port: int) -> Sequence[str]:
        host.encode("idna")
        return [OUTSIDE]

    with pytest.raises(InvalidMedia, match="leads to no public address"):
        await content(f"http://{'a' * 64}.example/", by_the_book)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"])
async def test_a_proxy_of_the_environment_is_not_asked(
    outside: Website, inside: Website, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, inside.url(""))
    assert await content(outside.url("file", "media.example"), Resolver(media_example=[[OUTSIDE]])) == CONTENT
    assert inside.named == []


async def test_only_named_hosts_are_asked_also_after_a_redirect(outside: Website) -> None:
    resolver = Resolver(a_example=[[OUTSIDE]], b_example=[[OUTSIDE]])
    only_a = Reach(frozenset({"a.example"}), plain_http=True)
    assert await content(outside.url("file", "a.example"), resolver, only_a) == CONTENT
    with pytest.raises(InvalidMedia, match=r"nothing is taken here; VIDEOJOBS_INPUT_HOSTS allows a\.example"):
        await content(outside.url(f"to?{outside.url('file', 'b.example')}", "a.example"), resolver, only_a)


@pytest.mark.parametrize("how", ["at once", "redirected"])
async def test_a_vendors_link_that_leads_inside_gives_no_result_and_a_new_one_may_be_asked_for(
    store: ObjectStore, outside: Website, inside: Website, how: str
) -> None:
    url = inside.url("file") if how == "at once" else outside.url(f"to?{inside.url('file')}")
    with pytest.raises(ExpiredLink, match="leads to no public address"):
        await copy_url_to_store(url, store, "result.mp4", content_type="video/mp4", reach=HTTP)
    assert list(store.keys("")) == []
    assert inside.named == []


def test_the_system_resolver_is_asked_as_it_is() -> None:
    assert INSIDE in pinned.look_up("localhost", 80)
    with pytest.raises(OSError, match=r".+"):
        pinned.look_up("no-such-name.invalid", 80)


def test_a_guarded_client_reads_nothing_from_the_environment() -> None:
    with guarded_http(HTTP, Pace(Links(), 0, Event())) as client:
        assert isinstance(client, httpx.Client)
        assert not client.trust_env
