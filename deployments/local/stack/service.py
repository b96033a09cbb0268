"""The base class of all services of the stack."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from signal import SIGTERM, Signals

from deployments.local.stack.process import Process


class Service(ABC):
    """One service. Its address and variables are known before it runs, so that services can start in parallel."""

    name: str
    depends_on: frozenset[str] = frozenset()
    """The services that must be ready before this one starts."""
    address: str
    """For display: without credentials."""
    override_variable: str | None = None
    """The environment variable that names an external service, which the stack uses instead of its own."""
    process: Process | None = None
    stop_signal: Signals = SIGTERM

    def variables(self) -> Mapping[str, str]:
        """What a client of this service needs in its environment."""
        return {}

    @abstractmethod
    async def start(self) -> None:
        """Return once the service is ready. Also restarts a stopped or killed one, on the same port and data."""

    async def stop(self) -> None:
        """Stop in order, if it runs."""
        if self.process:
            await self.process.stop(self.stop_signal, timeout=10)

    async def kill(self) -> None:
        """Kill the service and everything that it started, as if its machine were lost."""
        if self.process:
            await self.process.kill()


class ExternalService(Service):
    """A service that runs elsewhere; the stack only uses it."""

    def __init__(self, name: str, *, address: str, override_variable: str, variables: Mapping[str, str]) -> None:
        self.name = name
        self.address = address
        self.override_variable = override_variable
        self._variables = variables

    def variables(self) -> Mapping[str, str]:
        return self._variables

    async def start(self) -> None:
        """Nothing to start: its clients report if it does not respond."""
