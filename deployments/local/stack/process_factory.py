"""Makes the processes of one run of the stack."""

import os
import sys
from collections.abc import Mapping, Sequence

from deployments.local.stack.data_dir import DataDir
from deployments.local.stack.process import OsAccount, Process
from deployments.local.stack.process_tags import TAG_VARIABLE, new_run_tag
from deployments.server.environment import Environment


class ProcessFactory:
    """Gives each process the run's mark, a log, and an environment without surprises."""

    def __init__(self, data_dir: DataDir, environment: Environment) -> None:
        self.run_tag = new_run_tag(data_dir.root)
        self._data_dir = data_dir
        self._base_environment = _inherited_environment(keep_prefect=environment.prefect_api_url is not None)

    def create_process(
        self,
        name: str,
        command: Sequence[str],
        variables: Mapping[str, str] | None = None,
        *,
        account: OsAccount | None = None,
    ) -> Process:
        environment = {**self._base_environment, **(variables or {}), TAG_VARIABLE: self.tag_for(name)}
        return Process(name, command, log=self._data_dir.log_path(name), environment=environment, account=account)

    def create_module_process(self, name: str, module: str, *arguments: str, variables: Mapping[str, str]) -> Process:
        """A Python module of ours or of a library as a program."""
        return self.create_process(name, [sys.executable, "-m", module, *arguments], variables)

    def tag_for(self, name: str) -> str:
        """The mark of one part of this run."""
        return f"{self.run_tag}.{name}"


def _inherited_environment(*, keep_prefect: bool) -> dict[str, str]:
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
