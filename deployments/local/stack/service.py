"""What every part of the stack has in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from signal import SIGTERM, Signals

from deployments.local.stack.process import Process


class Service(ABC):
    """One part. Its address and variables are known before it runs, so that parts can start side by side."""

    name: str
    depends_on: frozenset[str] = frozenset()
    """The parts that have to be ready before this one starts."""
    address: str
    """Where it is, for people: without credentials."""
    override_variable: str | None = None
    """The variable that names it, if the stack uses a given one instead of starting its own."""
    process: Process | None = None
    stop_signal: Signals = SIGTERM

    def variables(self) -> Mapping[str, str]:
        """What a client needs to use this part."""
        return {}

    @abstractmethod
    async def start(self) -> None:
        """Return once the part is ready. Also starts a stopped or killed part again, on the same port and data."""

    async def stop(self) -> None:
        """Stop in order. Does nothing where nothing runs."""
        if self.process:
            await self.process.stop(self.stop_signal, timeout=10)

    async def kill(self) -> None:
        """Lose the part and everything that it started, as with its machine."""
        if self.process:
            await self.process.kill()


class ExternalService(Service):
    """A part that runs elsewhere and is only used."""

    def __init__(self, name: str, *, address: str, override_variable: str, variables: Mapping[str, str]) -> None:
        self.name = name
        self.address = address
        self.override_variable = override_variable
        self._variables = variables

    def variables(self) -> Mapping[str, str]:
        return self._variables

    async def start(self) -> None:
        """Nothing to start: whoever needs it says so if it does not answer."""
