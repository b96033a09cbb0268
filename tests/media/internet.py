"""A small internet: 127.0.0.2 and 127.0.0.3 are outside, 127.0.0.1 is inside, and names mean what a test says."""

import socket
from collections.abc import Sequence

import pytest

from videojobs.media import reach
from videojobs.media.pinned import LookUp
from videojobs.media.reach import Reach
from videojobs.media.sources import fetched

OUTSIDE, INSIDE = "127.0.0.2", "127.0.0.1"
HTTP = Reach(plain_http=True)


@pytest.fixture(autouse=True)
def the_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "is_public", lambda address: address in (OUTSIDE, "127.0.0.3"))


class Resolver:
    """Names mean what it is told, one answer after the other; the last one stays."""

    def __init__(self, **names: list[list[str]]) -> None:
        self.asked: list[str] = []
        self._names = {name.replace("_", "."): answers for name, answers in names.items()}

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self._names.get(host)
        if answers is None:
            return [host] if reach.written_out(host) else _nothing(host)
        return answers.pop(0) if len(answers) > 1 else answers[0]


def _nothing(host: str) -> Sequence[str]:
    raise socket.gaierror(socket.EAI_NONAME, f"{host} is not known")


async def content(url: str, look_up: LookUp, reach: Reach = HTTP) -> bytes:
    """What an input of this link is."""
    async with fetched(url, reach=reach, look_up=look_up) as path:
        return path.read_bytes()
