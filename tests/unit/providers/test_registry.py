"""The registry of providers: packages that break a rule, and settings that name a provider which cannot serve."""

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points

import pytest

from tests.support.example_request import RAW_REQUEST
from videojobs.errors import ConfigurationError
from videojobs.providers import registry
from videojobs.providers.registry import active_providers, display_name, get_provider, load_registry, selection_problems
from videojobs.providers.sync_so.provider import SyncSoProvider
from videojobs.requests.parsing import parse_request
from videojobs.states import Stage

GROUP = registry.ENTRY_POINT_GROUP
Install = Callable[..., None]


class Acme(SyncSoProvider):
    key = "acme"
    display_name = "Acme"


class Dashed(SyncSoProvider):
    key = "acme-video"


class Twin(SyncSoProvider):
    key = "twin"


class Explodes(SyncSoProvider):
    key = "explodes"

    def __init__(self) -> None:
        raise RuntimeError("boom")


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Add entry points to the installed ones: names to values."""

    def install(**added: str) -> None:
        found = [*entry_points(group=GROUP), *(EntryPoint(name, value, GROUP) for name, value in added.items())]
        monkeypatch.setattr(registry, "entry_points", lambda group: found)
        load_registry.cache_clear()

    yield install
    load_registry.cache_clear()


def value_of(provider: type) -> str:
    return f"{provider.__module__}:{provider.__name__}"


@pytest.mark.parametrize("value", ["not_there.provider:Acme", "videojobs.errors:Acme", value_of(Explodes)])
def test_a_broken_package_leaves_the_others_usable(install: Install, value: str) -> None:
    install(acme=value)
    assert {"sync_so", "ghostcut"} == load_registry().providers.keys()
    assert value in load_registry().problems["acme"]
    with pytest.raises(ConfigurationError, match=r"'acme' .*cannot be used"):
        get_provider("acme")


def test_a_sound_package_is_used(install: Install) -> None:
    install(acme=value_of(Acme))
    assert get_provider("acme").display_name == "Acme"
    assert load_registry().problems == {}


def test_two_packages_with_one_key_are_both_refused(install: Install) -> None:
    install(sync_so=value_of(Acme))
    assert "sync_so" not in load_registry().providers
    with pytest.raises(ConfigurationError, match="several packages have this key"):
        get_provider("sync_so")
    assert get_provider("ghostcut").key == "ghostcut"


def test_an_entry_point_must_have_the_name_of_its_key(install: Install) -> None:
    install(other=value_of(Acme))
    assert not {"other", "acme"} & load_registry().providers.keys()
    assert "'acme'" in load_registry().problems["other"]


def test_a_key_that_breaks_callback_urls_is_refused(install: Install) -> None:
    install(**{"acme-video": value_of(Dashed)})
    assert "lower-case letters" in load_registry().problems["acme-video"]


def test_two_providers_are_never_shown_under_one_name(install: Install) -> None:
    """Their metrics would have the same labels."""
    install(twin=value_of(Twin))
    assert (display_name("sync_so"), display_name("twin")) == ("Sync.so (sync_so)", "Sync.so (twin)")


@pytest.mark.parametrize("key", ["nobody", "ghostcut"])
def test_a_wrong_setting_is_reported_by_stage(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_LIP_SYNC_PROVIDER", key)
    [problem] = selection_problems()
    assert f"VIDEOJOBS_LIP_SYNC_PROVIDER is {key!r}" in problem
    assert selection_problems([Stage.TEXT_REMOVAL]) == []
    assert [provider.key for provider in active_providers()] == ["ghostcut"]


@pytest.mark.parametrize("stage", Stage)
def test_a_wrong_setting_is_no_mistake_of_a_request(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is admitted, and the stage itself fails with the reason."""
    monkeypatch.setenv(f"VIDEOJOBS_{stage.name}_PROVIDER", "nobody")
    assert parse_request(RAW_REQUEST).user_id == "user-1"
