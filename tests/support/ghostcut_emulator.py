"""A driver for the GhostCut emulator over plain HTTP."""

import hashlib
import json
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from tests.support.callback_receiver import CallbackReceiver, Delivery
from tests.support.emulator_clips import DecodedVideo, decode_video
from tests.support.emulator_process import EmulatorProcess

APP_KEY = "an-app-key"
APP_SECRET = "an-app-secret"
BASE_PATH = "/v-w-c/gateway/ve"

_callback_numbers = count(1)


def md5_hex(text: bytes) -> str:
    return hashlib.md5(text).hexdigest()  # noqa: S324


def make_mask(kind: str, box: tuple[float, float, float, float], **times: float) -> dict[str, Any]:
    """`box` is left, top, right, bottom in fractions."""
    left, top, right, bottom = box
    region = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return {"type": kind, "region": region, **times}


class GhostCutEmulatorClient:
    """`files` is the address of the source files; `listener` receives the callbacks."""

    def __init__(self, program: EmulatorProcess, files: str, listener: CallbackReceiver, folder: Path) -> None:
        self.program = program
        self.files = files
        self.listener = listener
        self.http = httpx.Client(base_url=program.url, timeout=20)
        self._folder = folder

    def make_body(self, *masks: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Mode 2 on a short film, with its own callback address."""
        body = {
            "urls": [f"{self.files}/short.mp4"],
            "needChineseOcclude": 2,
            "videoInpaintLang": "all",
            "videoInpaintMasks": json.dumps(masks or [make_mask("remove", (0.1, 0.6, 0.9, 0.95))]),
            "callback": f"{self.listener.url}/callback-{next(_callback_numbers)}",
        }
        return {name: value for name, value in (body | changes).items() if value is not None}

    def make_film_body(self, *masks: dict[str, Any], **changes: Any) -> dict[str, Any]:
        return self.make_body(*masks, **({"urls": [f"{self.files}/film.mp4"]} | changes))

    def post_signed(self, page: str, body: object, **headers: str) -> httpx.Response:
        """Sign exactly the bytes that are sent, and send them."""
        raw = json.dumps(body).encode()
        signature = md5_hex(md5_hex(raw).encode() + APP_SECRET.encode())
        signed = {"AppKey": APP_KEY, "AppSign": signature, "Content-Type": "application/json"}
        return self.http.post(f"{BASE_PATH}/{page}", content=raw, headers=signed | headers)

    def submit(self, body: object) -> dict[str, Any]:
        answer = self.post_signed("work/free", body)
        assert answer.status_code == 200
        return dict(answer.json())

    def submit_and_get_id(self, body: object) -> int:
        """Submit, and give the id of the accepted work."""
        answer = self.submit(body)
        assert answer["code"] == 1000, answer
        return int(answer["body"]["dataList"][0]["id"])

    def status(self, *works: int) -> list[dict[str, Any]]:
        content = self.post_signed("work/status", {"idWorks": list(works)}).json()["body"]["content"]
        return [dict(item) for item in content]

    def next_callback(self, body: dict[str, Any]) -> Delivery:
        """The next callback of a submission."""
        return self.listener.wait_for("/" + body["callback"].rpartition("/")[2])

    def run_to_end(self, body: dict[str, Any]) -> dict[str, Any]:
        """Submit, and give the work's final state."""
        self.submit_and_get_id(body)
        return dict(self.next_callback(body).body)

    def run_and_decode(self, body: dict[str, Any]) -> DecodedVideo:
        """Run a work and decode its result."""
        work = self.run_to_end(body)
        assert work["processStatus"] == 1, work
        file = self._folder / f"{work['id']}.mp4"
        file.write_bytes(self.program.http.get(work["videoUrl"]).content)
        return decode_video(file)
