"""The callback addresses given to vendors."""

import pytest

from tasks.runtime.callback_urls import callback_url
from videojobs.db import Submission
from videojobs.providers.ghostcut.provider import GhostCutProvider
from videojobs.providers.sync_so.provider import SyncSoProvider

SYNC_SO, GHOSTCUT = SyncSoProvider(), GhostCutProvider()
SUBMISSION = Submission(callback_token="t" * 43)


def test_without_a_public_url_there_is_no_callback_url() -> None:
    assert callback_url(SYNC_SO, SUBMISSION) is None
    assert callback_url(GHOSTCUT, SUBMISSION) is None


@pytest.mark.parametrize("base", ["https://door.example.com/jobs", "https://door.example.com/jobs/"])
def test_a_callback_url_ends_in_the_submissions_token(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    monkeypatch.setenv("VIDEOJOBS_PUBLIC_URL", base)
    assert callback_url(SYNC_SO, SUBMISSION) == f"https://door.example.com/jobs/callbacks/sync_so/{'t' * 43}"
    assert callback_url(GHOSTCUT, SUBMISSION) == f"https://door.example.com/jobs/callbacks/ghostcut/{'t' * 43}"


def test_sync_so_gets_an_http_callback_only_when_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIDEOJOBS_PUBLIC_URL", "http://127.0.0.1:8080")
    assert callback_url(SYNC_SO, SUBMISSION) is None
    assert callback_url(GHOSTCUT, SUBMISSION) is not None
    monkeypatch.setenv("VIDEOJOBS_ALLOW_PLAIN_HTTP", "true")
    assert callback_url(SYNC_SO, SUBMISSION) == f"http://127.0.0.1:8080/callbacks/sync_so/{'t' * 43}"
