"""A driver for the Sync.so emulator over plain HTTP."""

from pathlib import Path
from typing import Any

import httpx

from tests.support.emulator_clips import DecodedVideo, decode_video
from tests.support.emulator_process import EmulatorProcess

API_KEY = "a-key"
WEBHOOK_SECRET = "whsec_a_secret"


class SyncSoEmulatorClient:
    """`files` is the address of the source files."""

    def __init__(self, program: EmulatorProcess, files: str, folder: Path) -> None:
        self.program = program
        self.files = files
        self.http = httpx.Client(base_url=program.url, headers={"x-api-key": API_KEY}, timeout=20)
        self._folder = folder

    def make_body(self, **changes: Any) -> dict[str, Any]:
        """A request that is done quickly, for tests that ignore the result."""
        body = {
            "model": "lipsync-2",
            "input": [self.video_input("short.mp4"), self.audio_input("half-a-second.wav", "audio-1")],
            "segments": [{"startTime": 0.1, "endTime": 0.3, "audioInput": {"refId": "audio-1"}}],
            "options": {"sync_mode": "remap"},
        }
        return {name: value for name, value in (body | changes).items() if value is not None}

    def make_film_body(self, **changes: Any) -> dict[str, Any]:
        """The film; its second second gets a sound of two seconds, remapped."""
        film = {
            "input": [self.video_input(), self.audio_input("two-seconds.wav", "audio-1")],
            "segments": [{"startTime": 1, "endTime": 2, "audioInput": {"refId": "audio-1"}}],
        }
        return self.make_body(**(film | changes))

    def video_input(self, name: str = "film.mp4") -> dict[str, str]:
        return {"type": "video", "url": f"{self.files}/{name}"}

    def audio_input(self, name: str, ref_id: str | None = None) -> dict[str, str]:
        item = {"type": "audio", "url": f"{self.files}/{name}"}
        return item | {"refId": ref_id} if ref_id else item

    def submit(self, body: object, *, key: str | None = None) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key is not None else {}
        return self.http.post("/v2/generate", json=body, headers=headers)

    def submit_and_get_id(self, body: object, *, key: str | None = None) -> str:
        """Submit, and give the id of the accepted generation."""
        answer = self.submit(body, key=key)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def get_generation(self, identity: str, **query: Any) -> httpx.Response:
        return self.http.get(f"/v2/generate/{identity}", params=query)

    def wait_until_done(self, identity: str) -> dict[str, Any]:
        """The generation, once it has ended."""
        generation: dict[str, Any] = self.get_generation(identity, wait="true", timeout=10).json()
        assert generation["status"] not in ("PENDING", "PROCESSING"), generation
        return generation

    def run_and_decode(self, body: object) -> DecodedVideo:
        """Run a generation and decode its result."""
        generation = self.wait_until_done(self.submit_and_get_id(body))
        assert generation["status"] == "COMPLETED", generation
        file = self._folder / f"{generation['id']}.mp4"
        file.write_bytes(self.program.http.get(generation["outputUrl"], follow_redirects=True).content)
        return decode_video(file)

    def submission_record(self, identity: str) -> dict[str, Any]:
        """The generation in the emulator's own records."""
        (found,) = [row for row in self.program.dump_state()["submissions"] if row["id"] == identity]
        return dict(found)
