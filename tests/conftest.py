"""Settings of all layers, and the scheduler: a layer stays in one process, so that its services start once."""

import os

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Tests see the defaults, whatever the developer's environment says.
for name in [name for name in os.environ if name.startswith("VIDEOJOBS_")]:
    del os.environ[name]
# Tasks read it when they are imported, so it is set before collection: retries wait tenths of seconds.
os.environ["VIDEOJOBS_RETRY_DELAY_SECONDS"] = "0.2"


class LayerScheduling(LoadScopeScheduling):
    """A layer is a folder below tests/, or below tests/integration/."""

    def _split_scope(self, nodeid: str) -> str:
        layer, part = nodeid.split("/")[1:3]
        return f"{layer}/{part}" if layer == "integration" else layer


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LayerScheduling:
    return LayerScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the longest layer first, so that the others run beside it."""
    items.sort(key=lambda item: "acceptance" not in item.path.parts)
