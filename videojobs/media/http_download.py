"""Downloads a file from a URL in chunks. URLs contain signatures: no error ever repeats one.

No decompression: media is compressed already, and a few kilobytes that were compressed two or three times become
gigabytes. The client limits the time (`videojobs.media.transfer_pace`).
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from videojobs.errors import InvalidMedia, TransferInterrupted
from videojobs.media.pinned_transport import UnfetchableUrl

MAX_RESUMES: Final = 5  # per transfer; after more interruptions the next retry takes over
MAX_REDIRECTS: Final = 6  # URLs in a chain of redirects; a share link and its storage need 2 or 3
# Encodings that compress (IANA's list, and old names). Others change no bytes: storages repeat `aws-chunked`, the
# encoding of the upload, and any other label of the file.
_COMPRESSED_ENCODINGS: Final = frozenset(
    {
        "aes128gcm",
        "br",
        "compress",
        "dcb",
        "dcz",
        "deflate",
        "exi",
        "gzip",
        "pack200-gzip",
        "x-compress",
        "x-gzip",
        "zstd",
    }
)
_RETRYABLE_STATUSES: Final = frozenset({408, 425, 429})  # besides 5xx: the server requests a retry


@dataclass(frozen=True, slots=True)
class Download:
    """A running download. `length` is in bytes, None if the server does not announce it."""

    length: int | None
    chunks: Iterator[bytes]


@contextmanager
def open_download(client: httpx.Client, url: str, *, max_bytes: float, allow_http: bool) -> Iterator[Download]:
    """Open a URL, following redirects, with a client of `videojobs.media.pinned_transport`.

    Raises UnfetchableUrl, InvalidMedia if the file is larger than `max_bytes`, and TransferInterrupted if a retry
    may succeed. Each URL of the chain must be https, or http if `allow_http`.
    """
    with _translate_http_errors(), _follow_redirects(client, url, allow_http) as response:
        _check_response(response)
        announced = response.headers.get("content-length", "")
        length = int(announced) if announced.isdigit() else None
        if length is not None and length > max_bytes:
            raise too_large_error(max_bytes)
        yield Download(length, _limit_size(_with_resume(client, response), max_bytes))


class FileTooLarge(InvalidMedia):
    """A file has more bytes than the caller allows."""


def too_large_error(max_bytes: float) -> FileTooLarge:
    """The error for a file of more than `max_bytes` bytes."""
    return FileTooLarge(f"the file is larger than {max_bytes / 1e6:,.0f} MB; make it smaller")


@contextmanager
def _follow_redirects(client: httpx.Client, url: str, allow_http: bool) -> Iterator[httpx.Response]:
    """The response at the end of the redirects, its content still unread."""
    schemes = ("https", "http") if allow_http else ("https",)
    request = client.build_request("GET", url, headers={"Accept-Encoding": "identity"})
    for _ in range(MAX_REDIRECTS):
        if request.url.scheme not in schemes or not request.url.host:
            raise UnfetchableUrl(f"the link leads to a URL that is not {' or '.join(schemes)}; use another link")
        response = client.send(request, stream=True, follow_redirects=False)
        try:
            if response.next_request is None:
                yield response
                return
        finally:
            response.close()
        request = response.next_request
    raise UnfetchableUrl("the link has too many redirects; use the link at the end of them")


def _check_response(response: httpx.Response) -> None:
    status = response.status_code
    if status in _RETRYABLE_STATUSES or status >= 500:
        seconds = response.headers.get("retry-after", "")
        raise TransferInterrupted(
            f"the link returned {status}", retry_after=float(seconds) if seconds.isdigit() else None
        )
    if status != 200:
        raise UnfetchableUrl(f"the link returned {status}; use a link that can be downloaded without signing in")
    if response.headers.get("content-type", "").startswith("text/html"):
        raise UnfetchableUrl("the link leads to a web page, not to a file; use the link of the file itself")
    if _is_encoded(response):
        raise UnfetchableUrl(
            "the link returns the file compressed (Content-Encoding), although we requested it uncompressed; "
            "use a link that returns it unchanged"
        )


def _is_encoded(response: httpx.Response) -> bool:
    codings = {name.strip().lower() for name in response.headers.get("content-encoding", "").split(",")}
    return not codings.isdisjoint(_COMPRESSED_ENCODINGS)


def _limit_size(pieces: Iterator[bytes], max_bytes: float) -> Iterator[bytes]:
    size = 0
    with _translate_http_errors():
        for chunk in pieces:
            size += len(chunk)
            if size > max_bytes:
                raise too_large_error(max_bytes)
            yield chunk


def _with_resume(client: httpx.Client, response: httpx.Response) -> Iterator[bytes]:
    """The content. Resumes an interrupted connection at its byte, if the server supports it."""
    size = 0
    breaks = 0
    with ExitStack() as later:
        incoming = response
        while True:
            try:
                for chunk in incoming.iter_raw():
                    size += len(chunk)
                    yield chunk
            except httpx.TransportError:
                breaks += 1
                rest = _resume_from(client, response, size) if breaks <= MAX_RESUMES else None
                if rest is None:
                    raise
                incoming = rest
                later.callback(rest.close)
            else:
                return


def _resume_from(client: httpx.Client, response: httpx.Response, start: int) -> httpx.Response | None:
    """The same file from byte `start` on; None if the server does not send exactly that."""
    version = response.headers.get("etag", "")
    if not version.startswith('"'):  # a weak ETag does not guarantee identical bytes
        return None
    headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-", "If-Range": version}
    request = client.build_request("GET", response.request.url, headers=headers)
    rest = client.send(request, stream=True, follow_redirects=False)
    begins_there = rest.headers.get("content-range", "").startswith(f"bytes {start}-")
    if rest.status_code == 206 and begins_there and not _is_encoded(rest):
        return rest
    rest.close()
    return None


@contextmanager
def _translate_http_errors() -> Iterator[None]:
    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise UnfetchableUrl("the link is not a valid URL; correct it") from error
    except httpx.HTTPError as error:
        raise TransferInterrupted(f"the connection was interrupted ({type(error).__name__})") from error
