"""Files are ingested completely from any source, or with an error that says what to do. Over real connections."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from tests.support.website import CONTENT, Website
from videojobs.errors import InvalidMedia, TransferInterrupted
from videojobs.media.ingest import ExpiredUrl, fetch_to_temp, is_s3_uri, open_s3, stream_url_to_store
from videojobs.media.url_policy import UrlPolicy
from videojobs.storage.object_store import ObjectStore

LOCAL_POLICY = UrlPolicy(allow_private=True, allow_http=True)  # the website runs on this machine


@pytest.fixture(autouse=True)
def temp_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for the test's temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(autouse=True)
def short_read_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read from a silent link times out after a fifth of a second."""
    monkeypatch.setenv("VIDEOJOBS_LINK_WINDOW_SECONDS", "0.2")


def is_empty(folder: Path) -> bool:
    return not list(folder.iterdir())


# ---- inputs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["file", "moved", "unmeasured"])
async def test_a_link_becomes_a_file_that_is_gone_afterwards(website: Website, temp_root: Path, page: str) -> None:
    async with fetch_to_temp(website.url(page), policy=LOCAL_POLICY) as path:
        assert path.read_bytes() == CONTENT
    assert is_empty(temp_root)


def test_an_s3_object_is_read_in_place(store: ObjectStore) -> None:
    store.put_bytes("from/a user.mp4", CONTENT, "video/mp4")
    assert is_s3_uri(store.uri("from/a user.mp4"))
    assert open_s3(store.uri("from/a user.mp4"), store, len(CONTENT)).read() == CONTENT


@pytest.mark.parametrize("form", ["{}", "file://{}", "file:{}", "FILE://{}"])
async def test_a_local_file_is_used_in_place(tmp_path: Path, form: str) -> None:
    clip = tmp_path / "a:clip.mp4"
    clip.write_bytes(CONTENT)
    async with fetch_to_temp(form.format(clip), allow_files=True) as path:
        assert path == clip
    assert clip.exists()


async def test_a_file_address_may_be_percent_encoded(tmp_path: Path) -> None:
    clip = tmp_path / "mein Film.mp4"
    clip.write_bytes(CONTENT)
    async with fetch_to_temp(clip.as_uri(), allow_files=True) as path:
        assert path == clip


@pytest.mark.parametrize("source", ["/etc/hostname", "file:///etc/hostname", "/dev/zero"])
async def test_local_files_are_refused_unless_allowed(source: str) -> None:
    with pytest.raises(InvalidMedia, match="https link"):
        async with fetch_to_temp(source):
            pass


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("clip.mp4", "absolute path"),
        ("file:clip.mp4", "absolute path"),
        ("/nowhere/clip.mp4", "no such file"),
        ("/etc", "no such file"),
        ("/dev/zero", "no such file"),
        ("", "absolute path"),
        ("/nul\0byte", "no such file"),
        ("ftp://example.com/clip.mp4", "https link"),
        ("data:video/mp4;base64,AAAA", "https link"),
        ("https://a\x01b/", "not a valid URL"),
        ("https://", "not https or http"),
    ],
)
async def test_an_invalid_source_is_refused(source: str, message: str) -> None:
    with pytest.raises(InvalidMedia, match=message):
        async with fetch_to_temp(source, allow_files=True, policy=LOCAL_POLICY):
            pass


async def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    with pytest.raises(InvalidMedia, match=r"no such file|cannot be read"):
        async with fetch_to_temp(str(loop), allow_files=True):
            pass


async def test_plain_http_is_refused_unless_allowed(website: Website) -> None:
    with pytest.raises(InvalidMedia, match="not https"):
        async with fetch_to_temp(website.url("file")):
            pass


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("401", "returned 401.*without signing in"),
        ("403", "returned 403"),
        ("404", "returned 404"),
        ("410", "returned 410"),
        ("204", "returned 204"),
        ("page", "web page"),
        ("round", "too many redirects"),
        ("out", "not https or http"),
        ("ftp", "not https or http"),
    ],
)
async def test_a_link_without_a_file_is_refused_and_not_quoted(website: Website, page: str, message: str) -> None:
    with pytest.raises(InvalidMedia, match=message) as caught:
        async with fetch_to_temp(website.url(f"{page}?signature=secret"), policy=LOCAL_POLICY):
            pass
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize("page", ["file", "unmeasured"])
async def test_a_too_large_file_is_not_fully_downloaded(website: Website, temp_root: Path, page: str) -> None:
    with pytest.raises(InvalidMedia, match="larger than 1 MB"):
        async with fetch_to_temp(website.url(page), policy=LOCAL_POLICY, max_bytes=1_000_000):
            pass
    assert is_empty(temp_root)


async def test_the_limit_holds_for_storage_and_local_files_too(store: ObjectStore, tmp_path: Path) -> None:
    store.put_bytes("big.mp4", CONTENT, "video/mp4")
    with pytest.raises(InvalidMedia, match="larger than 1 MB"):
        open_s3(store.uri("big.mp4"), store, 1_000_000)
    (tmp_path / "big.mp4").write_bytes(CONTENT)
    with pytest.raises(InvalidMedia, match="larger than 1 MB"):
        async with fetch_to_temp(str(tmp_path / "big.mp4"), allow_files=True, max_bytes=1_000_000):
            pass


@pytest.mark.parametrize(
    ("source", "message"), [("s3://{bucket}/nothing.mp4", "no such object"), ("s3://{bucket}", "s3://bucket/key")]
)
def test_an_object_that_is_not_in_storage_is_refused(store: ObjectStore, source: str, message: str) -> None:
    with pytest.raises(InvalidMedia, match=message):
        open_s3(source.format(bucket=store.bucket), store, 1_000_000)


@pytest.mark.parametrize("page", ["cut", "silent", "500", "503", "429", "408"])
async def test_a_transient_download_error_is_retryable(website: Website, temp_root: Path, page: str) -> None:
    with pytest.raises(TransferInterrupted) as caught:
        async with fetch_to_temp(website.url(page), policy=LOCAL_POLICY):
            pass
    assert caught.value.retry_after == (7 if page.isdigit() else None)
    assert is_empty(temp_root)


@pytest.mark.parametrize("codings", ["gzip", "gzip,gzip,gzip", "aws-chunked,gzip"])
async def test_a_compressed_response_is_refused_and_never_unpacked(
    website: Website, temp_root: Path, codings: str
) -> None:
    with pytest.raises(InvalidMedia, match=r"compressed \(Content-Encoding\).*use a link that returns it unchanged"):
        async with fetch_to_temp(website.url(f"packed?{codings}"), policy=LOCAL_POLICY):
            pass
    assert is_empty(temp_root)


@pytest.mark.parametrize("coding", ["identity", "aws-chunked", "utf-8"])
async def test_an_identity_encoded_response_is_accepted(website: Website, coding: str) -> None:
    async with fetch_to_temp(website.url(f"packed?{coding}"), policy=LOCAL_POLICY) as path:
        assert path.read_bytes() == bytes(10 * 1024**2)


# ---- vendors' results ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["file", "moved", "unmeasured"])
async def test_a_result_streams_into_the_object_store(store: ObjectStore, website: Website, page: str) -> None:
    stored = await stream_url_to_store(
        website.url(page), store, "result.mp4", content_type="video/mp4", policy=LOCAL_POLICY
    )
    assert stored.size == len(CONTENT)
    assert store.open("result.mp4").read() == CONTENT


async def test_an_interrupted_result_download_resumes(store: ObjectStore, website: Website) -> None:
    await stream_url_to_store(website.url("broken"), store, "result.mp4", content_type="video/mp4", policy=LOCAL_POLICY)
    assert store.open("result.mp4").read() == CONTENT
    third = len(CONTENT) // 3 + 1
    assert website.asked == ["", f"bytes={third}-", f"bytes={2 * third}-"]


@pytest.mark.parametrize("page", ["cut", "silent", "502", "broken-changed", "broken-for-good"])
async def test_a_failed_result_download_stores_nothing(store: ObjectStore, website: Website, page: str) -> None:
    with pytest.raises(TransferInterrupted) as caught:
        await stream_url_to_store(website.url(page), store, "result.mp4", content_type="video/mp4", policy=LOCAL_POLICY)
    assert not isinstance(caught.value, ExpiredUrl)
    assert list(store.list_keys("")) == []


@pytest.mark.parametrize("page", ["401", "403", "404", "410", "page"])
async def test_an_expired_link_has_its_own_error(store: ObjectStore, website: Website, page: str) -> None:
    with pytest.raises(ExpiredUrl):
        await stream_url_to_store(website.url(page), store, "result.mp4", content_type="video/mp4", policy=LOCAL_POLICY)
    assert list(store.list_keys("")) == []


async def test_an_endless_result_is_aborted_and_not_stored(store: ObjectStore, website: Website) -> None:
    with pytest.raises(InvalidMedia, match="larger than 20 MB"):
        await stream_url_to_store(
            website.url("endless"), store, "result.mp4", content_type="video/mp4", policy=LOCAL_POLICY, max_bytes=20e6
        )
    assert list(store.list_keys("")) == []


async def test_a_compressed_result_is_not_unpacked_but_retryable(store: ObjectStore, website: Website) -> None:
    with pytest.raises(ExpiredUrl, match="compressed"):
        await stream_url_to_store(
            website.url("packed?gzip,gzip,gzip"), store, "result.mp4", content_type="video/mp4", policy=LOCAL_POLICY
        )
    assert list(store.list_keys("")) == []


async def test_a_cancelled_transfer_stops(store: ObjectStore, website: Website) -> None:
    copying = asyncio.create_task(
        stream_url_to_store(website.url("paused"), store, "result.mp4", content_type="video/mp4", policy=LOCAL_POLICY)
    )
    await asyncio.to_thread(website.paused.wait)
    copying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copying
    website.go_on.set()
    await asyncio.to_thread(website.left.wait)
    assert list(store.list_keys("")) == []
