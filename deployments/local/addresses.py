"""What other programs can read while the stack runs: `stack.json` for anybody, `environment` for the owner."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from deployments.local.folder import Folder, write_private
from deployments.local.part import Part


def write_addresses(folder: Folder, parts: Sequence[Part], variables: Mapping[str, str]) -> None:
    """`stack.json` has no credentials. `environment` has them, as a shell can source it."""
    public, private = _files(folder)
    about = {part.name: {"address": part.address, "given_by": part.given_by} for part in parts}
    public.write_text(json.dumps({"parts": about}, indent=2) + "\n")
    exports = (f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))
    write_private(private, "".join(exports))


def remove_addresses(folder: Folder) -> None:
    """Nothing answers there any more."""
    for file in _files(folder):
        file.unlink(missing_ok=True)


def _files(folder: Folder) -> tuple[Path, Path]:
    return folder.path("stack.json"), folder.path("environment")
