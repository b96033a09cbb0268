"""Postgres from a wheel: one cluster with a database for the job state and one for the Prefect server."""

import asyncio
import os
import shutil
from contextlib import suppress
from pathlib import Path
from signal import SIGINT

import psutil
import psycopg
from psycopg import sql

from deployments.local.folder import HOST, Folder, write_private
from deployments.local.launcher import Launcher
from deployments.local.part import Part
from deployments.local.postgres_home import Home, find_home
from deployments.local.process import Process

JOBS, PREFECT = "videojobs", "prefect"
USER = "videojobs"
CONNECTIONS = 200  # the Prefect server's pool, and a few for each flow run, worker and curious person


class Postgres(Part):
    """Everything lies in `DATA/postgres`, which for root may be a link."""

    name = "postgres"
    stop_signal = SIGINT  # "fast": it ends all sessions and writes everything down

    def __init__(self, folder: Folder, launcher: Launcher) -> None:
        self.address = f"{HOST}:{folder.port(self.name)}"
        self._folder = folder
        self._launcher = launcher
        self._password = folder.secret("postgres_password")

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{self._password}@{self.address}/{database}"

    async def start(self) -> None:
        home = await asyncio.to_thread(find_home, self._folder)
        cluster = home.folder / "cluster"
        if not cluster.exists():
            await self._initialise(home, cluster)
        _remove_stale_lock(cluster)
        self.process = self._server(home, cluster)
        await self.process.start()
        await self.process.until(self._accepts, patience=30)  # after a crash it replays its log first
        await self._create_databases()

    async def _initialise(self, home: Home, cluster: Path) -> None:
        """Make the cluster beside its place and move it there: an interrupted start leaves no half of one."""
        new, password = home.folder / "new", home.folder / "password"
        shutil.rmtree(new, ignore_errors=True)
        write_private(password, self._password)
        if home.account:
            os.chown(password, home.account.user, home.account.group)
        command = [
            *(str(home.binaries / "initdb"), "-D", str(new), "-U", USER, "--pwfile", str(password)),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),  # the same order on every machine
        ]
        try:
            await self._launcher.process("initdb", command, account=home.account).succeed()
        finally:
            password.unlink()
        new.rename(cluster)

    def _server(self, home: Home, cluster: Path) -> Process:
        settings = {
            "listen_addresses": HOST,
            "port": str(self._folder.port(self.name)),
            "unix_socket_directories": "",
            "max_connections": str(CONNECTIONS),
            "cluster_name": self._launcher.mark_of(self.name),
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        command = [str(home.binaries / "postgres"), "-D", str(cluster), *options]
        return self._launcher.process(self.name, command, account=home.account)

    async def _accepts(self) -> bool:
        with suppress(psycopg.OperationalError):
            await (await psycopg.AsyncConnection.connect(self.url("postgres"), connect_timeout=5)).close()
            return True
        return False

    async def _create_databases(self) -> None:
        async with await psycopg.AsyncConnection.connect(self.url("postgres"), autocommit=True) as connection:
            known = await (await connection.execute("SELECT datname FROM pg_database")).fetchall()
            for name in {JOBS, PREFECT} - {row[0] for row in known}:
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _remove_stale_lock(cluster: Path) -> None:
    """Postgres does not start while the process of its lock file lives, which after a crash may be another one.

    It is safe: the data folder is ours alone, and Postgres also looks whether its shared memory is in use.
    """
    lock = cluster / "postmaster.pid"
    with suppress(FileNotFoundError, IndexError, ValueError):
        holder = int(lock.read_text().split()[0])
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(holder).name() == "postgres":
                return
        lock.unlink()
