"""An editor on another host, in a real browser: with its origin allowed, it works with our API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from playwright.async_api import Page

from tests.integration.api.conftest import ApiServer, run_api_server
from tests.integration.api.test_jobs import create_completed_job
from tests.support.foreign_origin import browser_page, download_from_new_window, fetch_from_page, serve_editor_page
from tests.support.multipart_forms import PROCESS_URL, form_fields, form_files

pytestmark = pytest.mark.browser


@dataclass
class ForeignEditor:
    """The editor's page in a browser, and an API that allows its origin."""

    page: Page
    api: ApiServer
    token: str


@pytest.fixture
async def editor(service_variables: dict[str, str], user: str) -> AsyncIterator[ForeignEditor]:
    async with serve_editor_page() as origin:
        with run_api_server(service_variables, cors_origins=origin) as api:
            token = await api.create_token(user)
            async with browser_page() as page:
                await page.goto(origin)
                yield ForeignEditor(page, api, token)


async def test_a_page_of_an_allowed_origin_submits_and_lists_jobs(editor: ForeignEditor) -> None:
    made = await fetch_from_page(
        editor.page, editor.api.base_url + PROCESS_URL, editor.token, texts=form_fields(), files=form_files()
    )
    assert made["status"] == 202, made
    listed = await fetch_from_page(editor.page, f"{editor.api.base_url}/api/v1/jobs/?page_size=10", editor.token)
    assert [row["id"] for row in listed["body"]["jobs"]] == [made["body"]["job_id"]]


async def test_a_page_of_an_allowed_origin_reads_errors(editor: ForeignEditor) -> None:
    answer = await fetch_from_page(editor.page, f"{editor.api.base_url}/api/v1/jobs/?page=0", editor.token)
    assert answer["status"] == 422
    assert "page" in answer["body"]["detail"]
    answer = await fetch_from_page(editor.page, f"{editor.api.base_url}/api/v1/jobs/", "vj_nobody-knows-this")
    assert (answer["status"], answer["body"]["code"]) == (401, "unauthenticated")


async def test_a_page_of_another_origin_reads_nothing(editor: ForeignEditor) -> None:
    async with serve_editor_page() as other_origin:
        await editor.page.goto(other_origin)
        answer = await fetch_from_page(editor.page, f"{editor.api.base_url}/api/v1/jobs/", editor.token)
    assert answer == {"blocked": "TypeError"}


async def test_a_result_is_downloaded_without_a_token(editor: ForeignEditor, user: str) -> None:
    job = await create_completed_job(editor.api, user)
    listed = await fetch_from_page(editor.page, f"{editor.api.base_url}/api/v1/jobs/?page_size=10", editor.token)
    [row] = listed["body"]["jobs"]
    name, content = await download_from_new_window(editor.page, f"{row['output_url']}?download=1")
    assert (row["id"], content, name.endswith("-result.mp4")) == (job.id, b"0123456789", True)
