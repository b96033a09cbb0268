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

from deployments.local.services.postgres_install import PostgresInstall, prepare_install
from deployments.local.stack.data_dir import HOST, DataDir, write_private
from deployments.local.stack.process import Process
from deployments.local.stack.process_factory import ProcessFactory
from deployments.local.stack.service import Service

JOBS_DATABASE, PREFECT_DATABASE = "videojobs", "prefect"
USER = "videojobs"
MAX_CONNECTIONS = 200  # the Prefect server's pool, and a few for each flow run, worker and user


class PostgresService(Service):
    """All files are in `DATA/postgres`, which for root may be a symbolic link."""

    name = "postgres"
    stop_signal = SIGINT  # "fast" shutdown: ends all sessions and flushes to disk

    def __init__(self, data_dir: DataDir, process_factory: ProcessFactory) -> None:
        self.address = f"{HOST}:{data_dir.port(self.name)}"
        self._data_dir = data_dir
        self._process_factory = process_factory
        self._password = data_dir.secret("postgres_password")

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{self._password}@{self.address}/{database}"

    async def start(self) -> None:
        install = await asyncio.to_thread(prepare_install, self._data_dir)
        cluster = install.folder / "cluster"
        if not cluster.exists():
            await self._initialise(install, cluster)
        _remove_stale_lock(cluster)
        self.process = self._server_process(install, cluster)
        await self.process.start()
        await self.process.wait_until_ready(
            self._is_accepting_connections, timeout=30
        )  # after a crash it replays its WAL first
        await self._create_databases()

    async def _initialise(self, install: PostgresInstall, cluster: Path) -> None:
        """Create the cluster in a temporary folder and rename it: an interrupted start leaves no partial one."""
        new, password = install.folder / "new", install.folder / "password"
        shutil.rmtree(new, ignore_errors=True)
        write_private(password, self._password)
        if install.account:
            os.chown(password, install.account.uid, install.account.gid)
        command = [
            *(str(install.binaries / "initdb"), "-D", str(new), "-U", USER, "--pwfile", str(password)),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),  # the same order on every machine
        ]
        try:
            await self._process_factory.create_process("initdb", command, account=install.account).run_checked()
        finally:
            password.unlink()
        new.rename(cluster)

    def _server_process(self, install: PostgresInstall, cluster: Path) -> Process:
        settings = {
            "listen_addresses": HOST,
            "port": str(self._data_dir.port(self.name)),
            "unix_socket_directories": "",
            "max_connections": str(MAX_CONNECTIONS),
            "cluster_name": self._process_factory.tag_for(self.name),
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        command = [str(install.binaries / "postgres"), "-D", str(cluster), *options]
        return self._process_factory.create_process(self.name, command, account=install.account)

    async def _is_accepting_connections(self) -> bool:
        with suppress(psycopg.OperationalError):
            await (await psycopg.AsyncConnection.connect(self.url("postgres"), connect_timeout=5)).close()
            return True
        return False

    async def _create_databases(self) -> None:
        async with await psycopg.AsyncConnection.connect(self.url("postgres"), autocommit=True) as connection:
            known = await (await connection.execute("SELECT datname FROM pg_database")).fetchall()
            for name in {JOBS_DATABASE, PREFECT_DATABASE} - {row[0] for row in known}:
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _remove_stale_lock(cluster: Path) -> None:
    """Remove the lock file if its process is not Postgres: after a crash its id may belong to another process.

    Safe: the data folder is ours alone, and Postgres also checks whether its shared memory is in use.
    """
    lock = cluster / "postmaster.pid"
    with suppress(FileNotFoundError, IndexError, ValueError):
        holder = int(lock.read_text().split()[0])
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(holder).name() == "postgres":
                return
        lock.unlink()
