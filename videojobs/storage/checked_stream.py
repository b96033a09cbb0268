"""A stream for an upload to storage: counts its bytes, and fails if they are not as many as announced."""

from collections.abc import Iterable

from videojobs.errors import TransferInterrupted
from videojobs.testing.fault_injection import current_job_id, fault_point


class LengthCheckedStream:
    """The source that boto3 reads. It cannot seek, so boto3 reads it in order and buffers only a few parts.

    A stream that is not `expected_length` bytes long makes `read` raise TransferInterrupted; boto3 then drops the
    partial upload, so an incomplete object never becomes visible.
    """

    def __init__(self, chunks: Iterable[bytes], expected_length: int | None, *, name: str) -> None:
        self._name = name  # its name as a fault point
        self._job_id = current_job_id.get()  # boto3 reads in threads of its own
        self._chunks = iter(chunks)
        self._expected_length = expected_length
        self._buffer = bytearray()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes unless the stream ends; all remaining bytes if `size` is negative."""
        while size < 0 or len(self._buffer) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                self._verify_length()
                break
            self._append(chunk)
            fault_point(f"{self._name}.middle", self._job_id)
        with memoryview(self._buffer) as view:  # copied once: a part is large
            part = bytes(view[:size] if size >= 0 else view)
        del self._buffer[: len(part)]
        return part

    def _append(self, chunk: bytes) -> None:
        self._buffer += chunk
        self.size += len(chunk)
        if self._expected_length is not None and self.size > self._expected_length:
            raise TransferInterrupted(f"more than the announced {self._expected_length} bytes arrived")

    def _verify_length(self) -> None:
        if self._expected_length is not None and self.size < self._expected_length:
            raise TransferInterrupted(f"{self.size} of {self._expected_length} bytes arrived")
