"""Renamed environment variables: the old name still works, the new one wins. Only the new one is documented."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource


class AliasedSettings(BaseSettings):
    """Settings that are also read from the old names of their environment variables."""

    old_names: ClassVar[Mapping[str, str]] = {}
    """The field, by the old name of its environment variable (in full, with its prefix)."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        current = (init_settings, env_settings, dotenv_settings, file_secret_settings)
        return (*current, _OldNamesSource(settings_cls, cls.old_names))


class _OldNamesSource(EnvSettingsSource):
    """The environment as it would be, had the variables their new names."""

    def __init__(self, settings_cls: type[BaseSettings], old_names: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self.env_vars = {
            f"{self.env_prefix}{field}".lower(): self.env_vars[old.lower()]
            for old, field in old_names.items()
            if old.lower() in self.env_vars
        }
