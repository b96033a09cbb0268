"""Makes the processes of one run of the stack."""

import os
import sys
from collections.abc import Mapping, Sequence

from deployments.environment import Environment
from deployments.local.folder import Folder
from deployments.local.marking import MARK_VARIABLE, run_mark
from deployments.local.process import Account, Process


class Launcher:
    """Gives each process the run's mark, a log, and an environment without surprises."""

    def __init__(self, folder: Folder, environment: Environment) -> None:
        self.mark = run_mark(folder.root)
        self._folder = folder
        self._inherited = _inherited(keep_prefect=environment.prefect_api_url is not None)

    def process(
        self,
        name: str,
        command: Sequence[str],
        variables: Mapping[str, str] | None = None,
        *,
        account: Account | None = None,
    ) -> Process:
        environment = {**self._inherited, **(variables or {}), MARK_VARIABLE: self.mark_of(name)}
        return Process(name, command, log=self._folder.log(name), environment=environment, account=account)

    def module(self, name: str, module: str, *arguments: str, variables: Mapping[str, str]) -> Process:
        """A Python module of ours or of a library as a program."""
        return self.process(name, [sys.executable, "-m", module, *arguments], variables)

    def mark_of(self, name: str) -> str:
        """The mark of one part of this run."""
        return f"{self.mark}.{name}"


def _inherited(*, keep_prefect: bool) -> dict[str, str]:
    """Our own environment without what parts must be given on purpose.

    Left out: the product's variables (an emulator has no business with a real vendor's key), and the user's own Prefect
    settings, unless they belong to a given Prefect server (its certificate, say). A profile is never kept: it lives in
    the user's Prefect home, which the stack does not use.
    """
    ours = {name.upper() for name in Environment.model_fields}
    prefect = ("PREFECT_PROFILE", "PREFECT_HOME") if keep_prefect else ("PREFECT_",)
    kept = {name: value for name, value in os.environ.items() if name not in ours and not name.startswith(prefect)}
    return kept | {
        "PYTHONUNBUFFERED": "1",  # a log shows a line when it is written
        "DO_NOT_TRACK": "1",  # Prefect's clients send usage figures otherwise
    }
