"""The doctor's findings about providers."""

from typing import Any

import pytest

from blocks import Connections
from deployments.server import doctor
from deployments.server.doctor import CheckFailed, check_providers, list_checks
from videojobs.errors import ConfigurationError
from videojobs.providers import registry


class FakeDatabase:
    """A job database block, and its repository."""

    def __init__(self, open_submissions: dict[str, int]) -> None:
        self._open_submissions = open_submissions

    def repository(self) -> "FakeDatabase":
        return self

    async def count_open_submissions(self) -> dict[str, int]:
        return self._open_submissions


@pytest.fixture
def open_submissions(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Unfinished paid calls by provider."""
    found: dict[str, int] = {}

    async def load_block(*_: Any) -> FakeDatabase:
        return FakeDatabase(found)

    monkeypatch.setattr(doctor, "load_block", load_block)
    return found


async def test_sound_providers_are_named_with_their_stage(open_submissions: dict[str, int]) -> None:
    open_submissions["sync_so"] = 3
    assert await check_providers(Connections()) == "Sync.so for lip sync, GhostCut for text removal"


async def test_a_missing_provider_of_paid_calls_is_a_finding(open_submissions: dict[str, int]) -> None:
    open_submissions["gone"] = 2
    with pytest.raises(CheckFailed, match=r"2 unfinished paid calls .*'gone', which is not installed"):
        await check_providers(Connections())


@pytest.mark.parametrize("key", ["nobody", "ghostcut"])
async def test_a_wrong_provider_setting_is_a_finding(
    open_submissions: dict[str, int], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("VIDEOJOBS_LIP_SYNC_PROVIDER", key)
    with pytest.raises(CheckFailed, match=f"VIDEOJOBS_LIP_SYNC_PROVIDER is '{key}'"):
        await check_providers(Connections())
    assert {"Providers", "GhostCut"} < list_checks().keys()


async def test_a_broken_vendor_package_is_a_finding(
    open_submissions: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = registry.Registry(
        registry.providers(), {"acme": "the provider 'acme' (package acme) cannot be used: boom"}
    )
    monkeypatch.setattr(doctor, "load_registry", lambda: broken)
    with pytest.raises(CheckFailed, match=r"'acme'.*boom"):
        await check_providers(Connections())


async def test_the_providers_are_checked_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own check reports that it cannot be read."""

    async def load_block(*_: Any) -> None:
        raise ConfigurationError("the Prefect server has no block job-database")

    monkeypatch.setattr(doctor, "load_block", load_block)
    assert "Sync.so" in await check_providers(Connections())
