"""Settings for all test layers, and their distribution over processes: each process starts its services once."""

import os
from collections.abc import Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from videojobs import settings

# Tests use the defaults, whatever the developer's environment contains.
for name in [name for name in os.environ if name.startswith("VIDEOJOBS_")]:
    del os.environ[name]
# Tasks read this at import time, so it is set before collection. Retry delays become tenths of seconds.
os.environ["VIDEOJOBS_RETRY_DELAY_SECONDS"] = "0.2"

OWN_STACK = "acceptance/test_old_database.py"
LONGEST_FIRST = (
    "acceptance/a-e",
    "acceptance/f-z",
    "fault_injection",
    OWN_STACK,
    "integration/worker",
    "integration/api",
)
"""A short scope fits beside a long one. If a long one starts last, all other processes wait for it."""


def scope_of(nodeid: str) -> str:
    """The scope of a test: a folder below tests/ or tests/integration/, or one of three parts of the acceptance layer.

    The acceptance layer takes longest and spends half its time waiting. Two processes share it, each with its own
    stack.
    """
    layer, part = nodeid.split("::", maxsplit=1)[0].split("/")[1:3]
    folder = f"{layer}/{part}"
    if layer == "integration" or folder == OWN_STACK:
        return folder
    if layer == "acceptance":
        return "acceptance/a-e" if part < "test_f" else "acceptance/f-z"
    return layer


class LayerScheduling(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LayerScheduling:
    return LayerScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order scopes by length. xdist hands them out in this order, each to the first idle process."""

    def position(item: pytest.Item) -> int:
        scope = scope_of(item.nodeid)
        return LONGEST_FIRST.index(scope) if scope in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=position)


class _Forgetful(dict[type[settings.Settings], settings.Settings]):
    """A cache that never contains anything."""

    def __contains__(self, _: object) -> bool:
        return False


@pytest.fixture(autouse=True, scope="session")
def _read_settings_anew() -> Iterator[None]:
    """Disable the cache of settings: production reads them once per process, but tests change the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "_current", _Forgetful())
        yield
