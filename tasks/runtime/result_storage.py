"""Stores vendors' results immediately, since their links expire: streamed into our storage, then checked."""

from videojobs.errors import InvalidMedia, VendorFailed
from videojobs.media.executors import run_cpu_bound
from videojobs.media.facts import VideoFacts
from videojobs.media.ingest import stream_url_to_store
from videojobs.media.probe import probe_video
from videojobs.media.url_policy import UrlPolicy
from videojobs.settings import AccessSettings, LimitSettings
from videojobs.storage.object_store import ObjectStore


async def store_result(url: str, store: ObjectStore, key: str, *, vendor: str) -> VideoFacts:
    """Copy a result, and decode the copy; returns the video's facts.

    Raises TransferInterrupted (retryable), or VendorFailed if the vendor delivered a video that cannot be decoded.
    """
    policy, max_bytes = UrlPolicy.for_results(AccessSettings.current()), LimitSettings.current().max_result_bytes
    try:
        await stream_url_to_store(url, store, key, content_type="video/mp4", policy=policy, max_bytes=max_bytes)
        return await run_cpu_bound(lambda: probe_video(store.open(key)))
    except InvalidMedia as error:
        raise VendorFailed(f"{vendor} delivered a file that cannot be used: {error}") from error
