"""A stream on its way into storage: counted, and stopped where it is not as long as announced."""

from collections.abc import Iterable

from videojobs.errors import TransferInterrupted
from videojobs.faults import fault_point, job_in_hand


class Metered:
    """What boto3 reads from. It cannot seek, so boto3 takes it in order and holds only a few parts in memory.

    A stream that is not `expected_length` bytes long makes `read` raise TransferInterrupted, upon which boto3 drops
    the half-sent object: an incomplete one never becomes visible.
    """

    def __init__(self, chunks: Iterable[bytes], expected_length: int | None, *, stream: str) -> None:
        self._stream = stream  # its name among the fault points
        self._job_id = job_in_hand.get()  # boto3 reads in threads of its own
        self._chunks = iter(chunks)
        self._expected = expected_length
        self._waiting = bytearray()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes unless the stream ends; all that is left where `size` is negative."""
        while size < 0 or len(self._waiting) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._check_end()
                break
            self._take(chunk)
            fault_point(f"{self._stream}.middle", self._job_id)
        with memoryview(self._waiting) as waiting:  # copied once: a part is large
            part = bytes(waiting[:size] if size >= 0 else waiting)
        del self._waiting[: len(part)]
        return part

    def _take(self, chunk: bytes) -> None:
        self._waiting += chunk
        self.size += len(chunk)
        if self._expected is not None and self.size > self._expected:
            raise TransferInterrupted(f"more than the announced {self._expected} bytes arrived")

    def _check_end(self) -> None:
        if self._expected is not None and self.size < self._expected:
            raise TransferInterrupted(f"{self.size} of {self._expected} bytes arrived")
