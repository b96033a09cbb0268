"""What other programs can read while the stack runs: `stack.json` for anybody, `environment` for the owner."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from deployments.local.stack.data_dir import DataDir, write_private
from deployments.local.stack.service import Service


def write_connection_info(data_dir: DataDir, services: Sequence[Service], variables: Mapping[str, str]) -> None:
    """`stack.json` has no credentials. `environment` has them, as a shell can source it."""
    public, private = _files(data_dir)
    about = {part.name: {"address": part.address, "given_by": part.override_variable} for part in services}
    public.write_text(json.dumps({"parts": about}, indent=2) + "\n")
    exports = (f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
    write_private(private, "".join(exports))


def remove_connection_info(data_dir: DataDir) -> None:
    """Nothing answers there any more."""
    for file in _files(data_dir):
        file.unlink(missing_ok=True)


def _files(data_dir: DataDir) -> tuple[Path, Path]:
    return data_dir.path("stack.json"), data_dir.path("environment")
