"""A small internet: 127.0.0.2 and 127.0.0.3 are public, 127.0.0.1 is internal, and tests define all host names."""

import socket
from collections.abc import Sequence

import pytest

from videojobs.media import url_policy
from videojobs.media.ingest import fetch_to_temp
from videojobs.media.pinned_transport import Resolver
from videojobs.media.url_policy import UrlPolicy

PUBLIC_ADDRESS, PRIVATE_ADDRESS = "127.0.0.2", "127.0.0.1"
HTTP_ALLOWED = UrlPolicy(allow_http=True)


@pytest.fixture(autouse=True)
def fake_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_policy, "is_public", lambda address: address in (PUBLIC_ADDRESS, "127.0.0.3"))


class FakeResolver:
    """Resolves names to the given answers, one after the other; the last one repeats."""

    def __init__(self, **names: list[list[str]]) -> None:
        self.queries: list[str] = []
        self._names = {name.replace("_", "."): answers for name, answers in names.items()}

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.queries.append(host)
        answers = self._names.get(host)
        if answers is None:
            return [host] if url_policy.parse_ip_literal(host) else _fail_lookup(host)
        return answers.pop(0) if len(answers) > 1 else answers[0]


def _fail_lookup(host: str) -> Sequence[str]:
    raise socket.gaierror(socket.EAI_NONAME, f"{host} is not known")


async def fetch_content(url: str, look_up: Resolver, reach: UrlPolicy = HTTP_ALLOWED) -> bytes:
    """Download the content of this input link."""
    async with fetch_to_temp(url, policy=reach, resolver=look_up) as path:
        return path.read_bytes()
