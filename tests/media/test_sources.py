"""Files come in whole from wherever they may lie, or with an error that says what to do. Over real connections."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from tests.media.website import CONTENT, Website
from videojobs.errors import InvalidMedia, TransferInterrupted
from videojobs.media.reach import Reach
from videojobs.media.sources import ExpiredLink, copy_url_to_store, fetched, is_stored, open_stored
from videojobs.media.store import ObjectStore

NEAR = Reach(private=True, plain_http=True)  # the website is on this machine


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files of the test go."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that says nothing is given up after a fifth of a second."""
    monkeypatch.setenv("VIDEOJOBS_LINK_WINDOW_SECONDS", "0.2")


def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


# ---- inputs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["file", "moved", "unmeasured"])
async def test_a_link_becomes_a_file_that_is_gone_afterwards(website: Website, temporary: Path, page: str) -> None:
    async with fetched(website.url(page), reach=NEAR) as path:
        assert path.read_bytes() == CONTENT
    assert is_empty(temporary)


def test_an_object_in_storage_is_read_where_it_lies(store: ObjectStore) -> None:
    store.put_bytes("from/a user.mp4", CONTENT, "video/mp4")
    assert is_stored(store.uri("from/a user.mp4"))
    assert open_stored(store.uri("from/a user.mp4"), store, len(CONTENT)).read() == CONTENT


@pytest.mark.parametrize("form", ["{}", "file://{}", "file:{}", "FILE://{}"])
async def test_a_local_file_is_used_where_it_is(tmp_path: Path, form: str) -> None:
    clip = tmp_path / "a:clip.mp4"
    clip.write_bytes(CONTENT)
    async with fetched(form.format(clip), allow_files=True) as path:
        assert path == clip
    assert clip.exists()


async def test_a_file_address_may_be_percent_encoded(tmp_path: Path) -> None:
    clip = tmp_path / "mein Film.mp4"
    clip.write_bytes(CONTENT)
    async with fetched(clip.as_uri(), allow_files=True) as path:
        assert path == clip


@pytest.mark.parametrize("source", ["/etc/hostname", "file:///etc/hostname", "/dev/zero"])
async def test_files_of_the_machine_are_not_taken_unless_that_is_allowed(source: str) -> None:
    with pytest.raises(InvalidMedia, match="https link"):
        async with fetched(source):
            pass


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("clip.mp4", "whole path"),
        ("file:clip.mp4", "whole path"),
        ("/nowhere/clip.mp4", "no such file"),
        ("/etc", "no such file"),
        ("/dev/zero", "no such file"),
        ("", "whole path"),
        ("/nul\0byte", "no such file"),
        ("ftp://example.com/clip.mp4", "https link"),
        ("data:video/mp4;base64,AAAA", "https link"),
        ("https://a\x01b/", "not an address"),
        ("https://", "not https or http"),
    ],
)
async def test_what_is_no_source_is_refused(source: str, message: str) -> None:
    with pytest.raises(InvalidMedia, match=message):
        async with fetched(source, allow_files=True, reach=NEAR):
            pass


async def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    with pytest.raises(InvalidMedia, match=r"no such file|cannot be read"):
        async with fetched(str(loop), allow_files=True):
            pass


async def test_plain_http_is_not_taken_unless_that_is_allowed(website: Website) -> None:
    with pytest.raises(InvalidMedia, match="not https"):
        async with fetched(website.url("file")):
            pass


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("401", "answered 401.*without logging in"),
        ("403", "answered 403"),
        ("404", "answered 404"),
        ("410", "answered 410"),
        ("204", "answered 204"),
        ("page", "web page"),
        ("round", "one redirect to the next"),
        ("out", "not https or http"),
        ("ftp", "not https or http"),
    ],
)
async def test_a_link_that_gives_no_file_is_refused_without_repeating_it(
    website: Website, page: str, message: str
) -> None:
    with pytest.raises(InvalidMedia, match=message) as caught:
        async with fetched(website.url(f"{page}?signature=secret"), reach=NEAR):
            pass
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize("page", ["file", "unmeasured"])
async def test_a_file_that_is_too_large_is_not_fetched_to_its_end(website: Website, temporary: Path, page: str) -> None:
    with pytest.raises(InvalidMedia, match="larger than 1 MB"):
        async with fetched(website.url(page), reach=NEAR, max_bytes=1_000_000):
            pass
    assert is_empty(temporary)


async def test_the_limit_holds_for_storage_and_local_files_too(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes("big.mp4", CONTENT, "video/mp4")
    with pytest.raises(InvalidMedia, match="larger than 1 MB"):
        open_stored(store.uri("big.mp4"), store, 1_000_000)
    (tmp_path / "big.mp4").write_bytes(CONTENT)
    with pytest.raises(InvalidMedia, match="larger than 1 MB"):
        async with fetched(str(tmp_path / "big.mp4"), allow_files=True, max_bytes=1_000_000):
            pass


@pytest.mark.parametrize(
    ("source", "message"), [("s3://{bucket}/nothing.mp4", "no such object"), ("s3://{bucket}", "s3://bucket/key")]
)
def test_an_object_that_is_not_in_storage_is_refused(store: ObjectStore, source: str, message: str) -> None:
    with pytest.raises(InvalidMedia, match=message):
        open_stored(source.format(bucket=store.bucket), store, 1_000_000)


@pytest.mark.parametrize("page", ["cut", "silent", "500", "503", "429", "408"])
async def test_a_transfer_that_another_try_may_heal_says_so(website: Website, temporary: Path, page: str) -> None:
    with pytest.raises(TransferInterrupted) as caught:
        async with fetched(website.url(page), reach=NEAR):
            pass
    assert caught.value.retry_after == (7 if page.isdigit() else None)
    assert is_empty(temporary)


@pytest.mark.parametrize("codings", ["gzip", "gzip,gzip,gzip", "aws-chunked,gzip"])
async def test_a_file_that_is_sent_compressed_is_refused_and_never_unpacked(
    website: Website, temporary: Path, codings: str
) -> None:
    with pytest.raises(InvalidMedia, match=r"compressed \(Content-Encoding\).*give a link that sends it as it is"):
        async with fetched(website.url(f"packed?{codings}"), reach=NEAR):
            pass
    assert is_empty(temporary)


@pytest.mark.parametrize("coding", ["identity", "aws-chunked", "utf-8"])
async def test_a_link_that_says_its_file_is_sent_as_it_is_is_taken(website: Website, coding: str) -> None:
    async with fetched(website.url(f"packed?{coding}"), reach=NEAR) as path:
        assert path.read_bytes() == bytes(10 * 1024**2)


# ---- vendors' results ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["file", "moved", "unmeasured"])
async def test_a_result_streams_from_its_link_into_the_store(store: ObjectStore, website: Website, page: str) -> None:
    stored = await copy_url_to_store(website.url(page), store, "result.mp4", content_type="video/mp4", reach=NEAR)
    assert stored.size == len(CONTENT)
    assert store.open("result.mp4").read() == CONTENT


async def test_a_result_whose_connection_breaks_off_goes_on_where_it_was(store: ObjectStore, website: Website) -> None:
    await copy_url_to_store(website.url("broken"), store, "result.mp4", content_type="video/mp4", reach=NEAR)
    assert store.open("result.mp4").read() == CONTENT
    third = len(CONTENT) // 3 + 1
    assert website.asked == ["", f"bytes={third}-", f"bytes={2 * third}-"]


@pytest.mark.parametrize("page", ["cut", "silent", "502", "broken-changed", "broken-for-good"])
async def test_a_result_that_breaks_off_leaves_nothing_in_the_store(
    store: ObjectStore, website: Website, page: str
) -> None:
    with pytest.raises(TransferInterrupted) as caught:
        await copy_url_to_store(website.url(page), store, "result.mp4", content_type="video/mp4", reach=NEAR)
    assert not isinstance(caught.value, ExpiredLink)
    assert list(store.keys("")) == []


@pytest.mark.parametrize("page", ["401", "403", "404", "410", "page"])
async def test_a_link_that_has_expired_is_told_apart(store: ObjectStore, website: Website, page: str) -> None:
    with pytest.raises(ExpiredLink):
        await copy_url_to_store(website.url(page), store, "result.mp4", content_type="video/mp4", reach=NEAR)
    assert list(store.keys("")) == []


async def test_a_result_without_an_end_is_given_up_and_not_kept(store: ObjectStore, website: Website) -> None:
    with pytest.raises(InvalidMedia, match="larger than 20 MB"):
        await copy_url_to_store(
            website.url("endless"), store, "result.mp4", content_type="video/mp4", reach=NEAR, max_bytes=20e6
        )
    assert list(store.keys("")) == []


async def test_a_result_that_is_sent_compressed_is_not_unpacked_but_asked_for_again(
    store: ObjectStore, website: Website
) -> None:
    with pytest.raises(ExpiredLink, match="compressed"):
        await copy_url_to_store(
            website.url("packed?gzip,gzip,gzip"), store, "result.mp4", content_type="video/mp4", reach=NEAR
        )
    assert list(store.keys("")) == []


async def test_a_transfer_that_nobody_waits_for_any_more_stops(store: ObjectStore, website: Website) -> None:
    copying = asyncio.create_task(
        copy_url_to_store(website.url("paused"), store, "result.mp4", content_type="video/mp4", reach=NEAR)
    )
    await asyncio.to_thread(website.paused.wait)
    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying
    website.go_on.set()
    await asyncio.to_thread(website.left.wait)
    assert list(store.keys("")) == []
