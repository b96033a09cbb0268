"""Results come home at once, since vendors' links expire: streamed from the vendor into our storage, then checked."""

from dataclasses import asdict
from typing import Any

from videojobs.errors import InvalidMedia, VendorFailed
from videojobs.media.probe import inspect_video
from videojobs.media.reach import Reach
from videojobs.media.sources import copy_url_to_store
from videojobs.media.store import ObjectStore
from videojobs.media.workbench import at_the_bench
from videojobs.settings import Access, Limits


async def bring_home(url: str, store: ObjectStore, key: str, *, vendor: str) -> dict[str, Any]:
    """Copy a result and decode it where it lies; gives the facts of the video, JSON-ready.

    Raises TransferInterrupted (worth a retry), or VendorFailed when the vendor delivered what cannot be played.
    """
    reach, most = Reach.of_results(Access()), Limits().max_result_bytes
    try:
        await copy_url_to_store(url, store, key, content_type="video/mp4", reach=reach, max_bytes=most)
        facts = await at_the_bench(lambda: inspect_video(store.open(key)))
    except InvalidMedia as error:
        raise VendorFailed(f"{vendor} delivered a file that cannot be used: {error}") from error
    return asdict(facts)
