"""Creates the processes of one run of the stack."""

import os
import sys
from collections.abc import Mapping, Sequence

from deployments.local.stack.data_dir import DataDir
from deployments.local.stack.process import OsAccount, Process
from deployments.local.stack.process_tags import TAG_VARIABLE, new_run_tag
from deployments.server.environment import Environment


class ProcessFactory:
    """Gives each process the run's tag, a log, and a clean environment."""

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
        """A process that runs a Python module, ours or a library's."""
        return self.create_process(name, [sys.executable, "-m", module, *arguments], variables)

    def tag_for(self, name: str) -> str:
        """The tag of one service of this run."""
        return f"{self.run_tag}.{name}"


def _inherited_environment(*, keep_prefect: bool) -> dict[str, str]:
    """Our own environment without the variables that each service gets explicitly.

    Left out: the product's variables (an emulator must not see a real vendor's key), and the user's Prefect settings,
    unless they belong to an external Prefect server (its certificate, for example). A profile is always left out: it is
    in the user's Prefect home, which the stack does not use.
    """
    ours = {name.upper() for name in Environment.model_fields}
    prefect = ("PREFECT_PROFILE", "PREFECT_HOME") if keep_prefect else ("PREFECT_",)
    kept = {name: value for name, value in os.environ.items() if name not in ours and not name.startswith(prefect)}
    return kept | {
        "PYTHONUNBUFFERED": "1",  # log lines appear when they are written
        "DO_NOT_TRACK": "1",  # else Prefect's clients send usage data
    }
