"""The doctor's checks, with a Prefect server that lacks something."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.exceptions import ObjectNotFound

from blocks import Connections
from deployments.server import doctor
from deployments.server.doctor import CheckFailed, check_deployments
from deployments.server.environment import REPOSITORY_ROOT
from tasks.runtime.deployment_names import DEPLOYMENTS

PREFECT_YAML = (REPOSITORY_ROOT / "prefect.yaml").read_text()


class FakeClient:
    """A server with everything but `missing`."""

    def __init__(self, missing: str) -> None:
        self._missing = missing

    async def read_deployment_by_name(self, name: str) -> Any:
        self._find(name)
        return SimpleNamespace(work_pool_name="lectures" if name == "lecture/lecture" else "video-jobs")

    async def read_work_pool(self, name: str) -> None:
        self._find(name)

    async def read_global_concurrency_limit_by_name(self, name: str) -> None:
        self._find(name)

    async def read_workers_for_work_pool(self, name: str) -> Any:
        return [SimpleNamespace(status="OFFLINE" if f"worker of {name}" == self._missing else "ONLINE")]

    def _find(self, name: str) -> None:
        if name == self._missing:
            raise ObjectNotFound(Exception())


def lack(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def get_client() -> AsyncIterator[FakeClient]:
        yield FakeClient(missing)

    monkeypatch.setattr(doctor, "get_client", get_client)


@pytest.mark.parametrize("missing", [*DEPLOYMENTS, "lectures", "video-jobs", "ghostcut-works"])
async def test_a_missing_registration_fails_the_check(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lack(missing, monkeypatch)
    with pytest.raises(CheckFailed, match="make deploy"):
        await check_deployments(Connections())


async def test_a_pool_without_a_worker_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    lack("worker of lectures", monkeypatch)
    with pytest.raises(CheckFailed, match="prefect worker start --pool lectures"):
        await check_deployments(Connections())


async def test_the_finding_names_each_pool_and_its_deployments(monkeypatch: pytest.MonkeyPatch) -> None:
    lack("nothing", monkeypatch)
    finding = await check_deployments(Connections())
    assert "cleanup/cleanup in pool video-jobs; lecture/lecture in pool lectures: a worker is online" in finding


def test_the_doctor_knows_every_deployment_of_prefect_yaml() -> None:
    deployed = re.findall(r"^  - name: (\S+).*?^    entrypoint: (\S+)\.(\w+)", PREFECT_YAML, re.MULTILINE | re.DOTALL)
    flows = [(name, getattr(import_module(module), function)) for name, module, function in deployed]
    assert {f"{flow.name}/{name}" for name, flow in flows} == set(DEPLOYMENTS)
