"""The old editor's page on another host, in a real browser: what it sends, and what it may read."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from playwright.async_api import Page

from tests.integration.api.conftest import ApiServer, run_api_server
from tests.support.foreign_origin import browser_page, serve_editor_page
from tests.support.media_factory import MediaSpec
from tests.support.old_editor import FilePart, OldEditor, Part, ProEditor, encode_form
from tests.support.old_editor_clip import write_voice
from tests.support.webhook_receiver import run_webhook_receiver

pytestmark = pytest.mark.browser

PRO_ADDRESS: Final = "/api/v1/video-editors/pro-sync-process"
# Files come from a file input, so that their media types are the browser's own.
ADD_INPUT_SCRIPT: Final = """() => {
    document.body.innerHTML = '<input type="file" multiple>';
}"""
SUBMIT_SCRIPT: Final = """async ([url, token, parts]) => {
    const files = document.querySelector('input').files, form = new FormData();
    for (const [field, file, text] of parts) form.append(field, file === null ? text : files[file]);
    const options = {method: 'POST', body: form};
    if (token) options.headers = {Authorization: `Bearer ${token}`}; else options.mode = 'no-cors';
    try {
        const answer = await fetch(url, options);
        if (!token) return '{}';
        const body = await answer.json();
        return JSON.stringify({ok: answer.ok, body, alert: answer.ok ? null : body.detail || body.message});
    } catch (error) { return JSON.stringify({blocked: error.name}); }
}"""
LIST_SCRIPT: Final = """async ([url, token]) => {
    try {
        const answer = await fetch(url, {headers: {Authorization: `Bearer ${token}`}});
        return JSON.stringify({ok: answer.ok, body: await answer.json()});
    } catch (error) { return JSON.stringify({blocked: error.name}); }
}"""


@dataclass(frozen=True, slots=True)
class EditorPage:
    """The editor's page. `url` is the origin of the API."""

    page: Page
    url: str
    token: str

    async def submit(self, parts: Sequence[Part], url: str = "", token: str | None = None) -> dict[str, Any]:
        """`ok`, `body` and `alert` of the answer, or `blocked`. With another `url`, the answer is not read."""
        files = [part for part in parts if isinstance(part, FilePart)]
        await self.page.evaluate(ADD_INPUT_SCRIPT)
        await self.page.set_input_files("input", [part.path for part in files])
        names = [
            [part.field, files.index(part), None] if isinstance(part, FilePart) else [part.field, None, part.text]
            for part in parts
        ]
        arguments = [url or self.url + PRO_ADDRESS, "" if url else token or self.token, names]
        found: dict[str, Any] = json.loads(await self.page.evaluate(SUBMIT_SCRIPT, arguments))
        return found

    async def list_jobs(self) -> dict[str, Any]:
        address = f"{self.url}/api/v1/jobs/?page_size=10"
        found: dict[str, Any] = json.loads(await self.page.evaluate(LIST_SCRIPT, [address, self.token]))
        return found


@pytest.fixture(scope="session")
def pro_editor(tmp_path_factory: pytest.TempPathFactory) -> ProEditor:
    """A form with everything: umlauts, quotes, spaces, two files of one name, and areas."""
    folder = tmp_path_factory.mktemp("browser")
    editor = ProEditor(MediaSpec(seconds=12).write(folder / 'Grüße "aus" Köln (2).mp4'))
    names = ["Neue Stimme (1).m4a", "one/Ä B.wav", "two/Ä B.wav", "c.mp3", "d.flac", "e.ogg"]
    for number, name in enumerate(names):
        seconds = 1.5 + number / 10
        editor.add_segment(2 * number, 2 * number + 1, write_voice(folder / name, seconds, seed=number))
    editor.add_area("erasure", -0.257, 3, -0.0000119, 0, 0.3, 0.2)
    editor.add_area("protection", 12, 12, 0.3, 0.3, 0.4, 0.4)
    return editor


@pytest.fixture
async def allowed(service_variables: dict[str, str], user: str) -> AsyncIterator[EditorPage]:
    """A page of the origin that the API allows."""
    async with serve_editor_page() as origin:
        with run_api_server(service_variables, cors_origins=origin) as api:
            async with browser_page() as page:
                await page.goto(origin)
                yield EditorPage(page, api.base_url, await api.create_token(user))


async def test_the_page_submits_lists_and_reads_an_error(
    allowed: EditorPage, pro_editor: ProEditor, tmp_path: Path
) -> None:
    made = await allowed.submit(pro_editor.form())
    assert made["ok"], made
    [row] = (await allowed.list_jobs())["body"]["jobs"]
    assert (row["id"], row["is_pro_job"]) == (made["body"]["job_id"], True)
    assert row["display_name"] == f"Pro Video - {pro_editor.video.name}"
    late = ProEditor(pro_editor.video)
    late.split(late.add_segment(9.5, 12, write_voice(tmp_path / "kurz.wav", 5, seed=9)), 10.8)
    rejected = await allowed.submit(late.form())
    assert "lasts 5 s" in rejected["alert"]
    signed_out = await allowed.submit(pro_editor.form(), token="expired")
    assert "valid token" in signed_out["alert"]


async def test_a_page_of_another_origin_submits_nothing(
    allowed: EditorPage, api: ApiServer, pro_editor: ProEditor
) -> None:
    async with serve_editor_page() as other_origin:
        await allowed.page.goto(other_origin)
        assert await allowed.submit(pro_editor.form()) == {"blocked": "TypeError"}
        assert await allowed.list_jobs() == {"blocked": "TypeError"}
    async with serve_editor_page() as unnamed_origin:
        await allowed.page.goto(unnamed_origin)
        without_setting = EditorPage(allowed.page, api.base_url, allowed.token)
        assert await without_setting.submit(pro_editor.form()) == {"blocked": "TypeError"}
    assert (await allowed_jobs(api, allowed.token))["total"] == 0


async def test_the_encoded_form_is_what_chromium_sends(allowed: EditorPage, pro_editor: ProEditor) -> None:
    """All other tests of the old editor's forms depend on it."""
    form = pro_editor.form()
    with run_webhook_receiver() as recorder:
        await allowed.submit(form, url=f"{recorder.url}/ok")
        received = recorder.next()
    boundary = received.headers["content-type"].removeprefix("multipart/form-data; boundary=")
    assert part_heads(received.raw, boundary) == part_heads(encode_form(form, boundary), boundary)
    assert received.raw == encode_form(form, boundary)


def part_heads(body: bytes, boundary: str) -> list[str]:
    """The headers of each part: easier to read in a failure than the whole form."""
    parts = body.split(f"--{boundary}".encode())
    return [part.split(b"\r\n\r\n")[0].decode() for part in parts]


async def allowed_jobs(api: ApiServer, token: str) -> dict[str, Any]:
    """The list as a client without a browser reads it."""
    async with httpx.AsyncClient(base_url=api.base_url) as http:
        listed: dict[str, Any] = (await OldEditor(http, token).list_jobs()).raise_for_status().json()
        return listed
