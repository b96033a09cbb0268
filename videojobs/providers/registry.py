"""The vendors that are installed, by entry point, and the one that serves each stage.

A package adds a vendor with an entry point of the group `videojobs.providers` whose name is the provider's key and
whose value is the provider's class.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Final

from pydantic_settings import SettingsConfigDict

from videojobs.db.models import Submission
from videojobs.errors import ConfigurationError
from videojobs.providers.base import Provider
from videojobs.settings import Settings
from videojobs.states import Stage

ENTRY_POINT_GROUP: Final = "videojobs.providers"


class ProviderSelection(Settings):
    """Which provider serves a stage: `VIDEOJOBS_..._PROVIDER`, by key.

    A change applies to what is submitted from then on; a submission stays with the provider that it was made for.
    """

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_")

    lip_sync_provider: str = "sync_so"
    """Default: the included provider."""

    text_removal_provider: str = "ghostcut"
    """Default: the included provider."""

    def key_for(self, stage: Stage) -> str:
        return {Stage.LIP_SYNC: self.lip_sync_provider, Stage.TEXT_REMOVAL: self.text_removal_provider}[stage]


@cache
def providers() -> Mapping[str, Provider[Any]]:
    """All that are installed, by key, in the order of the stages. Read once per process: loading takes milliseconds."""
    found = [entry_point.load()() for entry_point in entry_points(group=ENTRY_POINT_GROUP)]
    order = list(Stage)
    return {provider.key: provider for provider in sorted(found, key=lambda it: (order.index(it.stage), it.key))}


def get_provider(key: str) -> Provider[Any]:
    """Raises ConfigurationError where no such provider is installed."""
    try:
        return providers()[key]
    except KeyError as error:
        raise ConfigurationError(
            f"no provider {key!r} is installed; installed are {', '.join(providers()) or 'none'}"
        ) from error


def provider_for_stage(stage: Stage) -> Provider[Any]:
    """The provider that is configured for the stage. Raises ConfigurationError where it cannot serve it."""
    provider = get_provider(ProviderSelection.current().key_for(stage))
    if provider.stage is not stage:
        raise ConfigurationError(
            f"VIDEOJOBS_{stage.name}_PROVIDER is {provider.key!r}, which serves {provider.stage.value}, not "
            f"{stage.value}"
        )
    return provider


def active_providers() -> list[Provider[Any]]:
    """The configured provider of each stage."""
    return [provider_for_stage(stage) for stage in Stage]


def provider_of(submission: Submission | None, stage: Stage) -> Provider[Any]:
    """The provider that a submission was made for; without one, the configured provider of the stage."""
    return provider_for_stage(stage) if submission is None else get_provider(submission.provider)


def display_name(key: str) -> str:
    """For people; the key itself where the provider is not installed any more."""
    provider = providers().get(key)
    return provider.display_name if provider else key
