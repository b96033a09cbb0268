"""What all tests of this layer share."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _clear_environment() -> Iterator[None]:
    """Defaults are tested, whatever the developer's environment says."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("VIDEOJOBS_")]:
            patch.delenv(name)
        yield
