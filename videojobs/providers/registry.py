"""The vendors that are installed, by entry point, and the one that serves each stage.

A package adds a vendor with an entry point of the group `videojobs.providers` whose name is the provider's key and
whose value is the provider's class. A package that breaks a rule is left out with a reason; the others still work.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from pydantic_settings import SettingsConfigDict

from videojobs.db.models import Submission
from videojobs.errors import ConfigurationError
from videojobs.providers.base import Provider
from videojobs.settings import Settings
from videojobs.states import Stage

ENTRY_POINT_GROUP: Final = "videojobs.providers"
_KEY_PATTERN: Final = re.compile(r"[a-z][a-z0-9_]*")  # part of callback URLs and of names of environment variables

log = logging.getLogger(__name__)


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


@dataclass(frozen=True, slots=True)
class Registry:
    """The providers that can be used, by key; and the reason for each entry point that cannot."""

    providers: Mapping[str, Provider[Any]]
    problems: Mapping[str, str]  # by the name of the entry point


@cache
def load_registry() -> Registry:
    """Read once per process: loading takes milliseconds."""
    # The same entry point may be found twice, in an installed package and in its source folder.
    found = {(it.name, it.value): it for it in entry_points(group=ENTRY_POINT_GROUP)}.values()
    packages_of = defaultdict[str, list[EntryPoint]](list)
    for entry_point in found:
        packages_of[entry_point.name].append(entry_point)
    loaded: dict[str, Provider[Any]] = {}
    problems: dict[str, str] = {}
    for name, same_name in packages_of.items():
        try:
            loaded[name] = _load_provider(same_name)
        except Exception as error:  # a package that someone else wrote: anything may be wrong with it
            origin = ", ".join(map(_describe_origin, same_name))
            reason = str(error) if isinstance(error, ConfigurationError) else f"{type(error).__name__}: {error}"
            problems[name] = f"the provider {name!r} ({origin}) cannot be used: {reason}"
            log.error("%s", problems[name])
    order = list(Stage)
    ordered = sorted(loaded.values(), key=lambda it: (order.index(it.stage), it.key))
    return Registry({provider.key: provider for provider in ordered}, problems)


def _load_provider(same_name: Sequence[EntryPoint]) -> Provider[Any]:
    """The provider of an entry point. Raises ConfigurationError where it breaks a rule, or the package's own error."""
    if len(same_name) > 1:  # neither is used: the wrong one might be paid
        raise ConfigurationError("several packages have this key; uninstall all but one")
    [entry_point] = same_name
    provider: Provider[Any] = entry_point.load()()
    if not _KEY_PATTERN.fullmatch(provider.key):
        raise ConfigurationError(f"its key {provider.key!r} must be lower-case letters, digits and underscores")
    if provider.key != entry_point.name:
        raise ConfigurationError(f"its key is {provider.key!r}; the entry point must have the same name")
    if not isinstance(provider.stage, Stage):
        raise ConfigurationError(f"its stage {provider.stage!r} does not exist")
    return provider


def _describe_origin(entry_point: EntryPoint) -> str:
    package = f"package {entry_point.dist.name}, " if entry_point.dist else ""
    return f"{package}entry point {entry_point.name} = {entry_point.value}"


def providers() -> Mapping[str, Provider[Any]]:
    """All that can be used, by key, in the order of the stages."""
    return load_registry().providers


def missing_provider_message(key: str) -> str:
    """Why there is no such provider, for operators."""
    if (problem := load_registry().problems.get(key)) is not None:
        return problem
    return f"no provider {key!r} is installed; installed are {', '.join(providers()) or 'none'}"


def get_provider(key: str) -> Provider[Any]:
    """Raises ConfigurationError where no such provider is installed, or its package is broken."""
    try:
        return providers()[key]
    except KeyError:
        raise ConfigurationError(missing_provider_message(key)) from None


def provider_for_stage(stage: Stage) -> Provider[Any]:
    """The provider that is configured for the stage. Raises ConfigurationError where it cannot serve it."""
    key = ProviderSelection.current().key_for(stage)
    if key not in providers():
        raise ConfigurationError(f"VIDEOJOBS_{stage.name}_PROVIDER is {key!r}: {missing_provider_message(key)}")
    provider = get_provider(key)
    if provider.stage is not stage:
        raise ConfigurationError(
            f"VIDEOJOBS_{stage.name}_PROVIDER is {key!r}, which serves {provider.stage.value}, not {stage.value}"
        )
    return provider


def active_providers() -> list[Provider[Any]]:
    """The configured provider of each stage. A stage whose setting is wrong has none: see `selection_problems`."""
    found = []
    for stage in Stage:
        with suppress(ConfigurationError):
            found.append(provider_for_stage(stage))
    return found


def selection_problems(stages: Iterable[Stage] = Stage) -> list[str]:
    """What is wrong with the settings that name the providers of these stages."""
    found = []
    for stage in stages:
        try:
            provider_for_stage(stage)
        except ConfigurationError as error:
            found.append(str(error))
    return found


def provider_of(submission: Submission | None, stage: Stage) -> Provider[Any]:
    """The provider that a submission was made for; without one, the configured provider of the stage."""
    return provider_for_stage(stage) if submission is None else get_provider(submission.provider)


def display_name(key: str) -> str:
    """For people; the key itself where the provider is not installed any more. No two providers have the same."""
    provider = providers().get(key)
    if provider is None:
        return key
    same = [other for other in providers().values() if other.display_name == provider.display_name]
    return provider.display_name if len(same) == 1 else f"{provider.display_name} ({key})"
