"""What a test does with the Sync.so emulator, over plain HTTP."""

from pathlib import Path
from typing import Any

import httpx

from tests.emulators.clips import Watched, watch
from tests.emulators.program import Program

API_KEY = "a-key"
WEBHOOK_SECRET = "whsec_a_secret"


class SyncSoDesk:
    """`files` is the address of the source files."""

    def __init__(self, program: Program, files: str, folder: Path) -> None:
        self.program = program
        self.files = files
        self.http = httpx.Client(base_url=program.url, headers={"x-api-key": API_KEY}, timeout=20)
        self._folder = folder

    def body(self, **changes: Any) -> dict[str, Any]:
        """A request that is soon done, for tests that do not look at the result."""
        body = {
            "model": "lipsync-2",
            "input": [self.video("short.mp4"), self.audio("half-a-second.wav", "audio-1")],
            "segments": [{"startTime": 0.1, "endTime": 0.3, "audioInput": {"refId": "audio-1"}}],
            "options": {"sync_mode": "remap"},
        }
        return {name: value for name, value in (body | changes).items() if value is not None}

    def film_body(self, **changes: Any) -> dict[str, Any]:
        """The film, its second second with a sound of two seconds, remapped."""
        film = {
            "input": [self.video(), self.audio("two-seconds.wav", "audio-1")],
            "segments": [{"startTime": 1, "endTime": 2, "audioInput": {"refId": "audio-1"}}],
        }
        return self.body(**(film | changes))

    def video(self, name: str = "film.mp4") -> dict[str, str]:
        return {"type": "video", "url": f"{self.files}/{name}"}

    def audio(self, name: str, ref_id: str | None = None) -> dict[str, str]:
        item = {"type": "audio", "url": f"{self.files}/{name}"}
        return item | {"refId": ref_id} if ref_id else item

    def submit(self, body: object, *, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key is not None else {}
        return self.http.post("/v2/generate", json=body, headers=headers)

    def accepted(self, body: object, *, key: str | None = None) -> str:
        """The id of an accepted generation."""
        answer = self.submit(body, key=key)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def get(self, identity: str, **query: Any) -> httpx.Response:
        return self.http.get(f"/v2/generate/{identity}", params=query)

    def ended(self, identity: str) -> dict[str, Any]:
        """The generation, once it has ended."""
        generation: dict[str, Any] = self.get(identity, wait="true", timeout=10).json()
        assert generation["status"] not in ("PENDING", "PROCESSING"), generation
        return generation

    def made(self, body: object) -> Watched:
        """The result of a generation, watched."""
        generation = self.ended(self.accepted(body))
        assert generation["status"] == "COMPLETED", generation
        file = self._folder / f"{generation['id']}.mp4"
        file.write_bytes(self.program.http.get(generation["outputUrl"], follow_redirects=True).content)
        return watch(file)

    def entry(self, identity: str) -> dict[str, Any]:
        """The generation in the emulator's own books."""
        (found,) = [row for row in self.program.books()["submissions"] if row["id"] == identity]
        return dict(found)
