"""Settings of all layers, and how layers are spread over processes: each starts its services once."""

import os
from collections.abc import Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from videojobs import settings

# Tests see the defaults, whatever the developer's environment says.
for name in [name for name in os.environ if name.startswith("VIDEOJOBS_")]:
    del os.environ[name]
# Tasks read it when they are imported, so it is set before collection: retries wait tenths of seconds.
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
"""A short scope fits beside a long one, while a long one that starts last is waited for by every other process."""


def scope_of(nodeid: str) -> str:
    """A folder below tests/ or tests/integration/, or one of three parts of the acceptance layer.

    Half of that layer's time is waiting, and it is the longest: so two processes share it, each with a stack.
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
    """Order scopes by length. xdist hands them out in this order, each to the first process that is free."""

    def position(item: pytest.Item) -> int:
        scope = scope_of(item.nodeid)
        return LONGEST_FIRST.index(scope) if scope in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=position)


class _Forgetful(dict[type[settings.Settings], settings.Settings]):
    """A cache in which nothing is ever found."""

    def __contains__(self, _: object) -> bool:
        return False


@pytest.fixture(autouse=True, scope="session")
def _read_settings_anew() -> Iterator[None]:
    """A process reads its settings once; a test may change its environment at any moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "_current", _Forgetful())
        yield
