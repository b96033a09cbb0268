"""Files for other programs while the stack runs: `stack.json` for everyone, `environment` for the owner only."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from deployments.local.stack.data_dir import DataDir, write_private
from deployments.local.stack.service import Service


def write_connection_info(data_dir: DataDir, services: Sequence[Service], variables: Mapping[str, str]) -> None:
    """`stack.json` holds no credentials; `environment` does, in a form that a shell can source."""
    public, private = _files(data_dir)
    about = {
        service.name: {"address": service.address, "override_variable": service.override_variable}
        for service in services
    }
    public.write_text(json.dumps({"services": about}, indent=2) + "\n")
    exports = (f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
    write_private(private, "".join(exports))


def remove_connection_info(data_dir: DataDir) -> None:
    """Delete the files: the addresses are no longer valid."""
    for file in _files(data_dir):
        file.unlink(missing_ok=True)


def _files(data_dir: DataDir) -> tuple[Path, Path]:
    return data_dir.path("stack.json"), data_dir.path("environment")
